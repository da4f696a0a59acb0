-- A value can't be dropped from an enum, so the type is made again without it.
UPDATE orders SET status = 'cancelled' WHERE status = 'refunded';

ALTER TYPE order_status RENAME TO order_status_with_refunded;
CREATE TYPE order_status AS ENUM ('pending', 'paid', 'shipped', 'cancelled');
ALTER TABLE orders
    ALTER COLUMN status DROP DEFAULT,
    ALTER COLUMN status TYPE order_status USING status::text::order_status,
    ALTER COLUMN status SET DEFAULT 'pending';
DROP TYPE order_status_with_refunded;
