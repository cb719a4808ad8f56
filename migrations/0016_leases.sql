-- Projection. Who does a piece of background work now; fencing rises with each new holder.
-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS leases (
    name TEXT NOT NULL,
    owner UUID NOT NULL,
    fencing INT8 NOT NULL,
    lease_until TIMESTAMPTZ NOT NULL,
    CONSTRAINT leases_pkey PRIMARY KEY (name)
);
