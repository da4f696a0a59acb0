-- Rounding in three places gave three different totals.
ALTER TABLE products DROP CONSTRAINT products_price_not_negative;
ALTER TABLE products ALTER COLUMN price TYPE bigint USING (price * 100)::bigint;
ALTER TABLE products RENAME COLUMN price TO price_cents;
ALTER TABLE products ADD CONSTRAINT products_price_not_negative CHECK (price_cents >= 0);

ALTER TABLE order_items ALTER COLUMN unit_price TYPE bigint USING (unit_price * 100)::bigint;
ALTER TABLE order_items RENAME COLUMN unit_price TO unit_price_cents;
