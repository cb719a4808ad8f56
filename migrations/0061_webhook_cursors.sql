-- How far an endpoint has come in each stripe: event is how many of the stripe's events lie behind it, seal is the first
-- seal that may hold the next one. It moves over the contiguous delivered prefix only.
-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS webhook_cursors (
    endpoint_id UUID NOT NULL,
    stripe INT2 NOT NULL,
    event INT8 NOT NULL,
    seal INT8 NOT NULL,
    CONSTRAINT webhook_cursors_pkey PRIMARY KEY (endpoint_id, stripe)
);
