ALTER TABLE products DROP CONSTRAINT products_supplier_id_fkey;
ALTER TABLE products ADD CONSTRAINT products_supplier_id_fkey
    FOREIGN KEY (supplier_id) REFERENCES suppliers (id) NOT VALID;
