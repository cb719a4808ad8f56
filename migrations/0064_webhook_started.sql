-- Since when an endpoint should be getting events: its creation, or the last resumption or replay. What waits is late only
-- from then on, however old the events of a replay are.
-- +goose NO TRANSACTION
-- +goose Up
ALTER TABLE webhook_endpoints ADD COLUMN IF NOT EXISTS started_at TIMESTAMPTZ NULL;
