-- Who came in, through which list. The slot is empty where one enters once, and the scan's nonce where one may come back.
-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS check_ins (
    booking_id UUID NOT NULL,
    list TEXT NOT NULL,
    slot TEXT NOT NULL,
    programme_id UUID NOT NULL,
    nonce TEXT NOT NULL,
    checked_at TIMESTAMPTZ NOT NULL,
    actor TEXT NOT NULL,
    activity_id UUID NOT NULL,
    CONSTRAINT check_ins_pkey PRIMARY KEY (booking_id, list, slot)
);
