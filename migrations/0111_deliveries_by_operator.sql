-- What an operator has to deliver.
-- +goose NO TRANSACTION
-- +goose Up
CREATE INDEX IF NOT EXISTS deliveries_by_operator ON deliveries (programme_id, operator, claim_id);
