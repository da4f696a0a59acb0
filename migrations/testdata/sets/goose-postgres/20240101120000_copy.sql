-- +goose Up
-- +goose StatementBegin
COPY content_type (id, label) FROM stdin;
1	admin;x
2	auth
\.
-- +goose StatementEnd
