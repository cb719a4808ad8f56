-- Journal (L2). One row moves one amount between two accounts, so a transaction that does not balance cannot be written
-- (L1). It names both accounts by what they are, not by id, so that the accounts table can be rebuilt from here.
-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS legs (
    transaction_id UUID NOT NULL,
    leg INT2 NOT NULL,
    unit TEXT NOT NULL,
    amount DECIMAL NOT NULL,
    from_owner TEXT NOT NULL,
    from_place TEXT NOT NULL,
    from_stripe INT2 NOT NULL,
    from_seq INT8 NOT NULL,
    to_owner TEXT NOT NULL,
    to_place TEXT NOT NULL,
    to_stripe INT2 NOT NULL,
    to_seq INT8 NOT NULL,
    CONSTRAINT legs_pkey PRIMARY KEY (transaction_id, leg),
    CONSTRAINT legs_amount_positive CHECK (amount > 0 AND amount <= 1000000000000000)
);
