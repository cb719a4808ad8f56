-- A member's vouchers.
-- +goose NO TRANSACTION
-- +goose Up
CREATE INDEX IF NOT EXISTS vouchers_by_member ON vouchers (programme_id, member);
