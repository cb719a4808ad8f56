-- The members as they are now, which their versions could make again.
-- +goose NO TRANSACTION
-- +goose Up
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE members, member_terms TO tallystick_app;
