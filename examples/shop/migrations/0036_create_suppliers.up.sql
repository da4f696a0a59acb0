CREATE TABLE suppliers (
    id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name  text NOT NULL UNIQUE,
    email email_address,
    since date
);

ALTER TABLE products ADD COLUMN supplier_id bigint;
-- NOT VALID takes its lock for a moment only; the next migration reads the table under a weaker one.
ALTER TABLE products ADD CONSTRAINT products_supplier_id_fkey
    FOREIGN KEY (supplier_id) REFERENCES suppliers (id) NOT VALID;
