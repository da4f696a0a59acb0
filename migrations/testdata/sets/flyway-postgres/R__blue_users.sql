CREATE OR REPLACE VIEW blue_users AS SELECT name FROM ${tableName} WHERE name = 'blue';
