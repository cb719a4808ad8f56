-- A code is one voucher's in its programme.
-- +goose NO TRANSACTION
-- +goose Up
CREATE UNIQUE INDEX IF NOT EXISTS vouchers_by_code ON vouchers (programme_id, code);
