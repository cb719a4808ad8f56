-- Credentials. Only the SHA-256 of a secret is kept.
-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS api_keys (
    id TEXT NOT NULL,
    programme_id UUID NOT NULL,
    secret_hash BYTEA NOT NULL,
    role TEXT NOT NULL,
    client TEXT NOT NULL,
    subject TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    revoked_at TIMESTAMPTZ NULL,
    CONSTRAINT api_keys_pkey PRIMARY KEY (id)
);
