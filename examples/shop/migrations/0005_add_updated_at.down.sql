DROP TRIGGER products_updated_at ON products;
DROP TRIGGER customers_updated_at ON customers;
DROP FUNCTION set_updated_at();
ALTER TABLE products DROP COLUMN updated_at;
ALTER TABLE customers DROP COLUMN updated_at;
