-- Posts, and a number behind each statement.
-- +goose Up
CREATE TABLE post (
    id int NOT NULL,
    title text,
    PRIMARY KEY (id)
);                  -- first

-- second
SELECT 2;           -- second
SELECT 3; SELECT 4; -- third and fourth

-- +goose Down
-- back
DROP TABLE post;    -- first
