-- Where a programme's events are sent. The secrets sign the deliveries; after a rotation the previous one still signs
-- until previous_until, so that a receiver can change over without a gap.
-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS webhook_endpoints (
    programme_id UUID NOT NULL,
    id UUID NOT NULL,
    url TEXT NOT NULL,
    state TEXT NOT NULL,
    secret BYTEA NOT NULL,
    previous_secret BYTEA NULL,
    previous_until TIMESTAMPTZ NULL,
    created_at TIMESTAMPTZ NOT NULL,
    delivered_at TIMESTAMPTZ NULL,
    CONSTRAINT webhook_endpoints_pkey PRIMARY KEY (programme_id, id),
    CONSTRAINT webhook_endpoints_state_known CHECK (state IN ('active', 'parked'))
);
