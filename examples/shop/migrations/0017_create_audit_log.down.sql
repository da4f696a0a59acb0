DROP TRIGGER products_audit ON products;
DROP TRIGGER orders_audit ON orders;
DROP TRIGGER customers_audit ON customers;
DROP SCHEMA audit CASCADE;
