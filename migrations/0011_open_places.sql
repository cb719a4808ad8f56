-- Projection, a work table: holds, vouchers and pending accruals that still hold something. The row goes in the posting
-- that empties the place.
-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS open_places (
    programme_id UUID NOT NULL,
    bucket INT2 NOT NULL,
    due_at TIMESTAMPTZ NOT NULL,
    account_id UUID NOT NULL,
    owner TEXT NOT NULL,
    unit TEXT NOT NULL,
    place TEXT NOT NULL,
    due_kind TEXT NOT NULL,
    CONSTRAINT open_places_pkey PRIMARY KEY (programme_id, bucket, due_at, account_id)
);
