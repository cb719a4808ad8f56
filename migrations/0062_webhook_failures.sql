-- Events whose last delivery failed, until they are delivered. What was delivered leaves no row: the journal has it.
-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS webhook_failures (
    endpoint_id UUID NOT NULL,
    transaction_id UUID NOT NULL,
    attempts INT4 NOT NULL,
    failure TEXT NOT NULL,
    failed_at TIMESTAMPTZ NOT NULL,
    next_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT webhook_failures_pkey PRIMARY KEY (endpoint_id, transaction_id)
);
