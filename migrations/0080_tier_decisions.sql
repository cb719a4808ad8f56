-- What decided a change of a member's tier: the rest of it is the transaction whose id a row has. n counts the decisions of
-- one member, group and source; it is a part of the transaction's key, so that what was decided on the same state is posted
-- once. tier is empty when the source gives none any more.
-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS tier_decisions (
    programme_id UUID NOT NULL,
    member TEXT NOT NULL,
    tier_group TEXT NOT NULL,
    source TEXT NOT NULL,
    n INT8 NOT NULL,
    transaction_id UUID NOT NULL,
    later BOOL NOT NULL,
    cause TEXT NOT NULL,
    tier_before TEXT NOT NULL,
    tier TEXT NOT NULL,
    starts_at TIMESTAMPTZ NOT NULL,
    until TIMESTAMPTZ NOT NULL,
    lot_until TIMESTAMPTZ NOT NULL,
    basis_from TIMESTAMPTZ NOT NULL,
    basis_to TIMESTAMPTZ NOT NULL,
    inputs TEXT NOT NULL,
    decided_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT tier_decisions_pkey PRIMARY KEY (programme_id, member, tier_group, source, n, transaction_id)
);
