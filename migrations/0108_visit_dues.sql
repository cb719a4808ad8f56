-- Heads of visits that used a pass or owe money at once, and go back unless the visit is reported by then. What is held for a head
-- goes back by itself. A row is deleted when its head was looked at.
-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS visit_dues (
    programme_id UUID NOT NULL,
    due_at TIMESTAMPTZ NOT NULL,
    transaction_id UUID NOT NULL,
    visit_id UUID NOT NULL,
    CONSTRAINT visit_dues_pkey PRIMARY KEY (programme_id, due_at, transaction_id)
);
