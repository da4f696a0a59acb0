-- +goose up
-- +goose statementbegin
CREATE OR REPLACE FUNCTION touch() RETURNS trigger AS $$
BEGIN
    new.updated_at = now();
    RETURN new;
END;
$$ LANGUAGE plpgsql;
-- +goose statementend

CREATE TRIGGER touch_post
BEFORE UPDATE ON post
FOR EACH ROW EXECUTE FUNCTION touch();
-- +goose down
DROP TRIGGER touch_post ON post;
-- +goose StatementBegin
DROP FUNCTION touch()
-- +goose StatementEnd
