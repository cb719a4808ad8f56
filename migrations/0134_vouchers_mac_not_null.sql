-- Every voucher has a MAC.
-- +goose NO TRANSACTION
-- +goose Up
ALTER TABLE vouchers ALTER COLUMN code_mac SET NOT NULL;
