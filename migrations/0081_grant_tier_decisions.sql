-- A decision is never changed.
-- +goose NO TRANSACTION
-- +goose Up
GRANT SELECT, INSERT ON TABLE tier_decisions TO tallystick_app;
