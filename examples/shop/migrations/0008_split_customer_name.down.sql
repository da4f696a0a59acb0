UPDATE customers SET first_name = first_name || ' ' || last_name WHERE last_name <> '';
ALTER TABLE customers RENAME COLUMN first_name TO name;
ALTER TABLE customers DROP COLUMN last_name;
