ALTER TABLE orders ALTER COLUMN total_cents DROP NOT NULL;
ALTER TABLE orders DROP CONSTRAINT orders_total_known;
ALTER TABLE orders ADD CONSTRAINT orders_total_known CHECK (total_cents IS NOT NULL AND total_cents >= 0) NOT VALID;
