-- What an operator reported of a visit: one report a visit, and each of the operator's own records once (L2: never
-- changed). A report is written before it is charged, so that it is never lost; what was charged for it are transactions.
-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS visit_reports (
    visit_id UUID NOT NULL,
    programme_id UUID NOT NULL,
    operator TEXT NOT NULL,
    record TEXT NOT NULL,
    visited_at TIMESTAMPTZ NOT NULL,
    guests INT8 NOT NULL,
    CONSTRAINT visit_reports_pkey PRIMARY KEY (visit_id),
    CONSTRAINT visit_reports_once UNIQUE (operator, record, programme_id)
);
