-- +goose NO TRANSACTION
-- +goose Up
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE event_lists TO tallystick_app;
