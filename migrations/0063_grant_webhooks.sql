-- No row here is a fact of the journal: the runtime role may change them.
-- +goose NO TRANSACTION
-- +goose Up
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE webhook_endpoints, webhook_cursors, webhook_failures TO tallystick_app;
