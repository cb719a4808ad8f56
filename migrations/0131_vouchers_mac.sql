-- What a code is found by: its MAC under another key.
-- +goose NO TRANSACTION
-- +goose Up
ALTER TABLE vouchers ADD COLUMN IF NOT EXISTS code_mac BYTEA;
