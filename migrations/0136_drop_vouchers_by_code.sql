-- Codes in clear are found by no more.
-- +goose NO TRANSACTION
-- +goose Up
DROP INDEX IF EXISTS vouchers_by_code;
