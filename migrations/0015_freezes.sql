-- Projection. Members whose units may not leave; derived from the journal's freeze and unfreeze transactions.
-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS freezes (
    programme_id UUID NOT NULL,
    member TEXT NOT NULL,
    transaction_id UUID NOT NULL,
    CONSTRAINT freezes_pkey PRIMARY KEY (programme_id, member)
);
