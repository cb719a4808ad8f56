-- A code is one voucher's. The MAC covers the programme, and begins at random, so it leads.
-- +goose NO TRANSACTION
-- +goose Up
CREATE UNIQUE INDEX IF NOT EXISTS vouchers_by_mac ON vouchers (code_mac);
