-- What was asked for at the door of a lounge. A row goes with the transaction of the member's own entry, whose id it has
-- (L2: never changed); the guests who pay have transactions of their own, under the same key with /1, /2 and so on.
-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS visits (
    id UUID NOT NULL,
    programme_id UUID NOT NULL,
    member TEXT NOT NULL,
    benefit TEXT NOT NULL,
    lounge TEXT NOT NULL,
    operator TEXT NOT NULL,
    voucher_id UUID NOT NULL,
    guests INT8 NOT NULL,
    free INT8 NOT NULL,
    days INT8 NOT NULL,
    consent TEXT NOT NULL,
    CONSTRAINT visits_pkey PRIMARY KEY (id)
);
