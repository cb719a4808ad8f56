-- The key that a voucher's code was made with: nothing stores the code itself.
-- +goose NO TRANSACTION
-- +goose Up
ALTER TABLE vouchers ADD COLUMN IF NOT EXISTS key_id TEXT;
