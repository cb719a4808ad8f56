-- Whoever has a copy of the database must have no code.
-- +goose NO TRANSACTION
-- +goose Up
ALTER TABLE vouchers DROP COLUMN IF EXISTS code;
