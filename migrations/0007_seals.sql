-- Journal (L2, L8). One row a batch: the ids of all its transactions in order, chained by hash along the stripe.
-- Posted transactions are the stripe's events, numbered from first_event: the seal chain is the outbox.
-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS seals (
    programme_id UUID NOT NULL,
    stripe INT2 NOT NULL,
    n INT8 NOT NULL,
    recorded_at TIMESTAMPTZ NOT NULL,
    sealed_at TIMESTAMPTZ NOT NULL,
    first_event INT8 NOT NULL,
    events INT8 NOT NULL,
    transaction_ids UUID[] NOT NULL,
    hash BYTEA NOT NULL,
    CONSTRAINT seals_pkey PRIMARY KEY (programme_id, stripe, n)
);
