-- +goose NO TRANSACTION
-- +goose Up
CREATE INDEX CONCURRENTLY ON post (title);
ANALYZE post;

-- +goose Down
DROP INDEX post_title_idx;
