-- Every change of a webhook endpoint that was asked for, by the key that it was asked under: a retry changes nothing, also
-- after the endpoint is gone.
-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS webhook_requests (
    programme_id UUID NOT NULL,
    id UUID NOT NULL,
    request_hash BYTEA NOT NULL,
    requested_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT webhook_requests_pkey PRIMARY KEY (programme_id, id)
);
