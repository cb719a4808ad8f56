-- Projection. What members are found by: kind, plan, region, segment, number, and what they belong to. The slot is the
-- member, or empty for what one member alone may have, which is a number.
-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS member_terms (
    programme_id UUID NOT NULL,
    field TEXT NOT NULL,
    value TEXT NOT NULL,
    slot TEXT NOT NULL,
    member TEXT NOT NULL,
    CONSTRAINT member_terms_pkey PRIMARY KEY (programme_id, field, value, slot)
);
