-- A job's row moves on, and goes when the job is over.
-- +goose NO TRANSACTION
-- +goose Up
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE jobs TO tallystick_app;
