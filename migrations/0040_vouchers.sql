-- Facts of a voucher that no balance tells: whose it is and what it is for. A row is written once, with the transaction
-- that claims the voucher and whose id it has; what became of the voucher is its place's balance and last entry.
-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS vouchers (
    id UUID NOT NULL,
    programme_id UUID NOT NULL,
    account_id UUID NOT NULL,
    member TEXT NOT NULL,
    benefit TEXT NOT NULL,
    CONSTRAINT vouchers_pkey PRIMARY KEY (id)
);
