-- +goose NO TRANSACTION
-- +goose Up
GRANT SELECT, INSERT, UPDATE ON TABLE imports TO tallystick_app;
