CREATE UNIQUE INDEX CONCURRENTLY test_user_name ON test_user (name);
