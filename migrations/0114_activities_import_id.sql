-- Which import brought an activity in: the zero id for what came by call. imports.id is the same for the same file.
-- +goose NO TRANSACTION
-- +goose Up
ALTER TABLE activities ADD COLUMN IF NOT EXISTS import_id UUID NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000';
