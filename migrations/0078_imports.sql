-- How far the import of a file has come, by the hash of its content. A projection: what it counts are transactions.
-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS imports (
    id UUID NOT NULL,
    programme_id UUID NOT NULL,
    what TEXT NOT NULL,
    read INT8 NOT NULL,
    recorded INT8 NOT NULL,
    known INT8 NOT NULL,
    nothing INT8 NOT NULL,
    rejected INT8 NOT NULL,
    CONSTRAINT imports_pkey PRIMARY KEY (id)
);
