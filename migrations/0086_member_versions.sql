-- Every version of a member's facts, for ever: who changed them, when, why, and to what. The id of the request that made
-- it follows from client and key, so that a retry finds the version that it made.
-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS member_versions (
    programme_id UUID NOT NULL,
    member TEXT NOT NULL,
    version INT8 NOT NULL,
    changed_at TIMESTAMPTZ NOT NULL,
    kind TEXT NOT NULL,
    plan TEXT NOT NULL,
    region TEXT NOT NULL,
    segments TEXT[] NOT NULL,
    language TEXT NOT NULL,
    enrolled_at TIMESTAMPTZ NOT NULL,
    birth_month INT2 NOT NULL,
    birth_day INT2 NOT NULL,
    attributes TEXT NOT NULL,
    numbers TEXT[] NOT NULL,
    organisations TEXT NOT NULL,
    households TEXT NOT NULL,
    request_id UUID NOT NULL,
    request_hash BYTEA NOT NULL,
    what TEXT NOT NULL,
    client TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    actor TEXT NOT NULL,
    channel TEXT NOT NULL,
    reason TEXT NOT NULL,
    CONSTRAINT member_versions_pkey PRIMARY KEY (programme_id, member, version),
    CONSTRAINT member_versions_one_effect UNIQUE (programme_id, request_id)
);
