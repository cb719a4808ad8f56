-- A member's visits, and those that a report names by their pass.
-- +goose NO TRANSACTION
-- +goose Up
CREATE INDEX IF NOT EXISTS visits_by_member ON visits (programme_id, member);
