DROP TABLE test_user;
