-- Every version of a programme's document, kept for ever: each transaction names the version that made it.
-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS programme_versions (
    programme_id UUID NOT NULL,
    version INT8 NOT NULL,
    document TEXT NOT NULL,
    applied_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT programme_versions_pkey PRIMARY KEY (programme_id, version)
);
