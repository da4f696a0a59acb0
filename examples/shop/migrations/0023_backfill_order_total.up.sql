UPDATE orders o
SET total_cents = (SELECT coalesce(sum(quantity * unit_price_cents), 0) FROM order_items WHERE order_id = o.id)
WHERE total_cents IS NULL;
