-- A key that was used stays used: the runtime role adds rows and reads them.
-- +goose NO TRANSACTION
-- +goose Up
GRANT SELECT, INSERT ON TABLE webhook_requests TO tallystick_app;
