-- What chains each version of a programme's document to the one before it (L8).
-- +goose NO TRANSACTION
-- +goose Up
ALTER TABLE programme_versions ADD COLUMN IF NOT EXISTS hash BYTEA NOT NULL DEFAULT '';
