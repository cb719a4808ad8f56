-- +goose NO TRANSACTION
-- +goose Up
GRANT SELECT, INSERT ON TABLE activities TO tallystick_app;
