-- What is to be delivered of a claim, by whom and where to. A row goes with the claim, whose id it has (L2: never changed);
-- where the delivery stands follows from the claim's right and from what was reported of it. deliver_to is a reference that
-- the operator understands, and no address.
-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS deliveries (
    claim_id UUID NOT NULL,
    programme_id UUID NOT NULL,
    operator TEXT NOT NULL,
    member TEXT NOT NULL,
    benefit TEXT NOT NULL,
    deliver_to TEXT NOT NULL,
    CONSTRAINT deliveries_pkey PRIMARY KEY (claim_id)
);
