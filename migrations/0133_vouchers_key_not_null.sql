-- Every voucher has a key.
-- +goose NO TRANSACTION
-- +goose Up
ALTER TABLE vouchers ALTER COLUMN key_id SET NOT NULL;
