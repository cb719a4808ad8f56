-- What a member did, and what each rule made of it. A row goes with the accrual that it earned (L2: never changed).
-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS activities (
    transaction_id UUID NOT NULL,
    programme_id UUID NOT NULL,
    member TEXT NOT NULL,
    kind TEXT NOT NULL,
    amount DECIMAL NOT NULL,
    gifted DECIMAL NOT NULL,
    paid_in_points DECIMAL NOT NULL,
    fields TEXT NOT NULL,
    tier TEXT NOT NULL,
    yields TEXT NOT NULL,
    CONSTRAINT activities_pkey PRIMARY KEY (transaction_id)
);
