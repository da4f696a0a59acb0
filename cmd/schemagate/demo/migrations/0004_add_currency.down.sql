ALTER TABLE products DROP COLUMN currency;
