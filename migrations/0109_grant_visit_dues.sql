-- A work table: its rows go when they are done.
-- +goose NO TRANSACTION
-- +goose Up
GRANT SELECT, INSERT, DELETE ON TABLE visit_dues TO tallystick_app;
