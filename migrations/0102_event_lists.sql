-- Who is invited to an event, and who waits for a seat. An entry that waits goes when its offer is made.
-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS event_lists (
    programme_id UUID NOT NULL,
    event TEXT NOT NULL,
    list TEXT NOT NULL,
    member TEXT NOT NULL,
    entry_id UUID NOT NULL,
    listed_at TIMESTAMPTZ NOT NULL,
    actor TEXT NOT NULL,
    channel TEXT NOT NULL,
    wanted TEXT NOT NULL,
    CONSTRAINT event_lists_pkey PRIMARY KEY (programme_id, event, list, member)
);
