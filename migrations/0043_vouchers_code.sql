-- What makes a voucher good at a till: random, so that it follows from nothing else that the books say.
-- +goose NO TRANSACTION
-- +goose Up
ALTER TABLE vouchers ADD COLUMN IF NOT EXISTS code TEXT;
