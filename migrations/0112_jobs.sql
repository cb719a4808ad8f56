-- How far a job has come that walks through all members, for one that is started again: where is after whom to go on.
-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS jobs (
    id UUID NOT NULL,
    programme_id UUID NOT NULL,
    what TEXT NOT NULL,
    key TEXT NOT NULL,
    phase INT8 NOT NULL,
    place TEXT NOT NULL,
    rated INT8 NOT NULL,
    CONSTRAINT jobs_pkey PRIMARY KEY (id)
);
