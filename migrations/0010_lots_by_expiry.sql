-- The sweep reads the lapsed lots of one programme and bucket in order of their expiry.
-- +goose NO TRANSACTION
-- +goose Up
CREATE INDEX IF NOT EXISTS lots_by_expiry ON lots (programme_id, bucket, expires_at, account_id);
