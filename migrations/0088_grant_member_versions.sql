-- What was known of a member is never changed: the runtime role adds versions and reads them.
-- +goose NO TRANSACTION
-- +goose Up
GRANT SELECT, INSERT ON TABLE member_versions TO tallystick_app;
