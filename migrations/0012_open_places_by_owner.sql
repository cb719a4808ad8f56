-- A member's holds, vouchers and pending accruals: lists, and the held and pending parts of a balance.
-- +goose NO TRANSACTION
-- +goose Up
CREATE INDEX IF NOT EXISTS open_places_by_owner ON open_places (programme_id, owner, unit, due_at);
