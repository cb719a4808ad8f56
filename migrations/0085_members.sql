-- Projection. What a programme knows of its members besides the books: the last version of each, and what it is found by.
-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS members (
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
    CONSTRAINT members_pkey PRIMARY KEY (programme_id, member)
);
