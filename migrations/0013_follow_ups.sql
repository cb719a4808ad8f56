-- Projection. Which posted transactions refer to an earlier one: captures and voids of a hold, reversals.
-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS follow_ups (
    original_id UUID NOT NULL,
    transaction_id UUID NOT NULL,
    kind TEXT NOT NULL,
    amount DECIMAL NOT NULL,
    CONSTRAINT follow_ups_pkey PRIMARY KEY (original_id, transaction_id)
);
