-- Every voucher has a code.
-- +goose NO TRANSACTION
-- +goose Up
ALTER TABLE vouchers ALTER COLUMN code SET NOT NULL;
