-- Projections can be rebuilt from the journal, so the runtime role may change them.
-- +goose NO TRANSACTION
-- +goose Up
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE
    programmes, stripes, accounts, lots, open_places, follow_ups, business_references, freezes, leases, api_keys
    TO tallystick_app;
