-- The row that each batch locks: it numbers the stripe's seals and events without a gap and holds the head of the seal
-- chain (L8). A lane leases it, which spreads load; correctness never depends on the lease.
-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS stripes (
    programme_id UUID NOT NULL,
    stripe INT2 NOT NULL,
    seals INT8 NOT NULL,
    events INT8 NOT NULL,
    head BYTEA NOT NULL,
    lease_owner UUID NOT NULL,
    lease_until TIMESTAMPTZ NOT NULL,
    CONSTRAINT stripes_pkey PRIMARY KEY (programme_id, stripe)
) WITH (fillfactor = 50);
