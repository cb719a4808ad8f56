-- Projection. A business reference is unique per client and kind; the row is written only when the transaction is posted.
-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS business_references (
    programme_id UUID NOT NULL,
    client TEXT NOT NULL,
    kind TEXT NOT NULL,
    reference TEXT NOT NULL,
    transaction_id UUID NOT NULL,
    CONSTRAINT business_references_pkey PRIMARY KEY (programme_id, client, kind, reference)
);
