-- L2: the runtime role adds to the journal and reads it, nothing else. The role itself is made by `tallystick migrate`.
-- +goose NO TRANSACTION
-- +goose Up
GRANT SELECT, INSERT ON TABLE transactions, legs, entries, seals, programme_versions TO tallystick_app;
