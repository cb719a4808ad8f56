-- Vouchers that were issued before there were codes get one of 64 random bits: the first and the last eight digits of two
-- random UUIDs, none of which is a fixed one. Hexadecimal digits are among the symbols of codes.
-- +goose NO TRANSACTION
-- +goose Up
UPDATE vouchers
SET code = upper(substr(gen_random_uuid()::text, 1, 8) || substr(gen_random_uuid()::text, 29, 8))
WHERE code IS NULL;
