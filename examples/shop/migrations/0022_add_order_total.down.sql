DROP TRIGGER order_items_total ON order_items;
DROP FUNCTION refresh_order_total();
ALTER TABLE orders DROP COLUMN total_cents;
