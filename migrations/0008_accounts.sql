-- Projection. One owner's balance of one unit in one place; head is the hash of its last entry. L3 is the CHECK.
-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS accounts (
    id UUID NOT NULL,
    programme_id UUID NOT NULL,
    unit TEXT NOT NULL,
    owner TEXT NOT NULL,
    place TEXT NOT NULL,
    stripe INT2 NOT NULL,
    floor DECIMAL NULL,
    balance DECIMAL NOT NULL,
    seq INT8 NOT NULL,
    recorded_at TIMESTAMPTZ NOT NULL,
    due_at TIMESTAMPTZ NULL,
    head BYTEA NOT NULL,
    CONSTRAINT accounts_pkey PRIMARY KEY (id),
    CONSTRAINT accounts_not_below_floor CHECK (floor IS NULL OR balance >= floor),
    CONSTRAINT accounts_within_cap CHECK (balance BETWEEN -1000000000000000 AND 1000000000000000)
) WITH (fillfactor = 50);
