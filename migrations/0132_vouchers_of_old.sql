-- No key is known here, so vouchers that were issued before get a MAC that no code has: they have to be issued again.
-- +goose NO TRANSACTION
-- +goose Up
UPDATE vouchers
SET key_id = '', code_mac = decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex')
WHERE code_mac IS NULL;
