-- Nothing ever changes a voucher's facts.
-- +goose NO TRANSACTION
-- +goose Up
GRANT SELECT, INSERT ON TABLE vouchers TO tallystick_app;
