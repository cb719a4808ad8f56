-- Projection. What is left of the units that share an expiry and a fund in one account; a lot at zero has no row (L5).
-- bucket spreads the index by expiry and is -1 for what is not a wallet, which the sweep does not visit through it.
-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS lots (
    account_id UUID NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    fund TEXT NOT NULL,
    remaining DECIMAL NOT NULL,
    programme_id UUID NOT NULL,
    bucket INT2 NOT NULL,
    CONSTRAINT lots_pkey PRIMARY KEY (account_id, expires_at, fund),
    CONSTRAINT lots_remaining_positive CHECK (remaining > 0)
) WITH (fillfactor = 70);
