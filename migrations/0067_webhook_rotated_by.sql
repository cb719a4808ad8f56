-- The request that made the secret which signs now: its retry answers that secret. Null until the first rotation.
-- +goose NO TRANSACTION
-- +goose Up
ALTER TABLE webhook_endpoints ADD COLUMN IF NOT EXISTS rotated_by UUID NULL;
