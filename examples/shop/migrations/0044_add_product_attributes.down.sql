ALTER TABLE products DROP COLUMN attributes;
