ALTER TABLE products VALIDATE CONSTRAINT products_supplier_id_fkey;
