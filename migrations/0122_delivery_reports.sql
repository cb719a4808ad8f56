-- What an operator reported of a delivery: each of the operator's own records once (L2: never changed). A report is written
-- before anything is posted for it, so that it is never lost. attempt counts what came back before.
-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS delivery_reports (
    claim_id UUID NOT NULL,
    record TEXT NOT NULL,
    programme_id UUID NOT NULL,
    operator TEXT NOT NULL,
    attempt INT8 NOT NULL,
    what TEXT NOT NULL,
    happened_at TIMESTAMPTZ NOT NULL,
    carrier TEXT NOT NULL,
    number TEXT NOT NULL,
    actor TEXT NOT NULL,
    reported_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT delivery_reports_pkey PRIMARY KEY (claim_id, record),
    CONSTRAINT delivery_reports_once UNIQUE (operator, record, programme_id)
);
