CREATE OR REPLACE VIEW reporting.order_summary AS
SELECT o.id AS order_id,
       o.placed_at,
       o.status,
       o.customer_id,
       trim(c.first_name || ' ' || c.last_name) AS customer,
       i.lines,
       i.pieces,
       o.total_cents,
       o.currency,
       a.country
FROM orders o
JOIN customers c ON c.id = o.customer_id
LEFT JOIN addresses a ON a.customer_id = c.id AND a.kind = 'shipping' AND a.is_default
CROSS JOIN LATERAL (
    SELECT count(*) AS lines, coalesce(sum(quantity), 0) AS pieces
    FROM order_items
    WHERE order_id = o.id AND order_placed_at = o.placed_at
) i;
