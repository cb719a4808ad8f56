-- Journal (L2). One account's side of a leg. The key makes a statement one range scan and a balance as of a recorded
-- time one seek; seq has no gap because the account row is locked and its seq is compared when it is saved (L4).
-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS entries (
    account_id UUID NOT NULL,
    recorded_at TIMESTAMPTZ NOT NULL,
    seq INT8 NOT NULL,
    transaction_id UUID NOT NULL,
    leg INT2 NOT NULL,
    kind TEXT NOT NULL,
    amount DECIMAL NOT NULL,
    balance DECIMAL NOT NULL,
    effective_at TIMESTAMPTZ NOT NULL,
    lots TEXT NOT NULL,
    hash BYTEA NOT NULL,
    CONSTRAINT entries_pkey PRIMARY KEY (account_id, recorded_at, seq)
);
