-- The rule that decided a leg, where one transaction has the legs of several.
-- +goose NO TRANSACTION
-- +goose Up
ALTER TABLE legs ADD COLUMN IF NOT EXISTS rule TEXT NOT NULL DEFAULT '';
