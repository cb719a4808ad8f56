-- Who applied a version of a programme's document; its hash covers it.
-- +goose NO TRANSACTION
-- +goose Up
ALTER TABLE programme_versions ADD COLUMN IF NOT EXISTS applied_by TEXT NOT NULL DEFAULT '';
