-- Facts of a booking that no balance tells: what seats were asked for, how, and where they wait. A row is written once, with
-- the transaction that asked and whose id it has; what became of the booking are the balances of its two places.
-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS bookings (
    id UUID NOT NULL,
    programme_id UUID NOT NULL,
    member TEXT NOT NULL,
    event TEXT NOT NULL,
    seats INT8 NOT NULL,
    guests TEXT NOT NULL,
    how TEXT NOT NULL,
    answer_by TIMESTAMPTZ NULL,
    seat_account_id UUID NOT NULL,
    ticket_id UUID NOT NULL,
    ticket_account_id UUID NOT NULL,
    CONSTRAINT bookings_pkey PRIMARY KEY (id),
    CONSTRAINT bookings_by_event UNIQUE (programme_id, event, id),
    CONSTRAINT bookings_by_member UNIQUE (programme_id, member, id),
    CONSTRAINT bookings_by_ticket UNIQUE (ticket_id)
);
