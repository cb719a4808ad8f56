-- A programme is the tenant boundary. A posting locks its stripe and reads this row; whoever moves the clock, the open
-- period, freezes a member or applies another document locks all stripes (ADR 0011), so that a posting sees either all or
-- nothing of such a change.
-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS programmes (
    id UUID NOT NULL,
    name TEXT NOT NULL,
    sandbox BOOL NOT NULL,
    clock TIMESTAMPTZ NOT NULL,
    open_from TIMESTAMPTZ NOT NULL,
    version INT8 NOT NULL,
    CONSTRAINT programmes_pkey PRIMARY KEY (id),
    CONSTRAINT programmes_name_unique UNIQUE (name)
);
