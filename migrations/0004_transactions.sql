-- Journal (L2). The primary key is derived from the idempotency key, so it is the guard of L6. Rejections are rows too.
-- amount is the principal (the first leg's amount, or the part that a capture or reversal settles); due_at is a hold's
-- timeout, a pending accrual's activation, or the instant that a clock or period transaction sets.
-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS transactions (
    id UUID NOT NULL,
    programme_id UUID NOT NULL,
    client TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    kind TEXT NOT NULL,
    request_hash BYTEA NOT NULL,
    rejection TEXT NOT NULL,
    detail TEXT NOT NULL,
    member TEXT NOT NULL,
    amount DECIMAL NOT NULL,
    original_id UUID NULL,
    due_at TIMESTAMPTZ NULL,
    reason TEXT NOT NULL,
    reference TEXT NOT NULL,
    actor TEXT NOT NULL,
    channel TEXT NOT NULL,
    rule TEXT NOT NULL,
    rule_version INT8 NOT NULL,
    effective_at TIMESTAMPTZ NOT NULL,
    recorded_at TIMESTAMPTZ NOT NULL,
    hash BYTEA NOT NULL,
    CONSTRAINT transactions_pkey PRIMARY KEY (id)
);
