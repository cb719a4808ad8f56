-- A report is never changed.
-- +goose NO TRANSACTION
-- +goose Up
GRANT SELECT, INSERT ON TABLE metric_reports TO tallystick_app;
