-- What was reported of a member's metrics in a period, for ever. A later report overrules the values that it names; n counts
-- the reports of one member and period. The id of the request follows from client and key, so that a retry adds nothing.
-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS metric_reports (
    programme_id UUID NOT NULL,
    member TEXT NOT NULL,
    period TEXT NOT NULL,
    n INT8 NOT NULL,
    reported TEXT NOT NULL,
    reported_at TIMESTAMPTZ NOT NULL,
    request_id UUID NOT NULL,
    client TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    actor TEXT NOT NULL,
    channel TEXT NOT NULL,
    reason TEXT NOT NULL,
    CONSTRAINT metric_reports_pkey PRIMARY KEY (programme_id, member, period, n),
    CONSTRAINT metric_reports_one_effect UNIQUE (programme_id, request_id),
    CONSTRAINT metric_reports_n_from_1 CHECK (n >= 1)
);
