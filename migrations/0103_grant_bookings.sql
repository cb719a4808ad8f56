-- Nothing ever changes what was booked and who came.
-- +goose NO TRANSACTION
-- +goose Up
GRANT SELECT, INSERT ON TABLE bookings, check_ins TO tallystick_app;
