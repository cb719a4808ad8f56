-- Nothing ever changes what was to be delivered, or reported of it.
-- +goose NO TRANSACTION
-- +goose Up
GRANT SELECT, INSERT ON TABLE deliveries, delivery_reports TO tallystick_app;
