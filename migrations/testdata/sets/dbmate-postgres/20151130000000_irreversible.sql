-- migrate:up
insert into users (id, email) values (1, 'alice@example.com');

-- migrate:down

