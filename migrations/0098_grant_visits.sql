-- Nothing ever changes what was asked for at a door, or reported of it.
-- +goose NO TRANSACTION
-- +goose Up
GRANT SELECT, INSERT ON TABLE visits, visit_reports TO tallystick_app;
