-- REPLACE can add a column to a view, but not take one away.
DROP VIEW reporting.order_summary;
CREATE VIEW reporting.order_summary AS
SELECT o.id AS order_id,
       o.placed_at,
       o.status,
       o.customer_id,
       trim(c.first_name || ' ' || c.last_name) AS customer,
       i.lines,
       i.pieces,
       o.total_cents,
       o.currency
FROM orders o
JOIN customers c ON c.id = o.customer_id
CROSS JOIN LATERAL (
    SELECT count(*) AS lines, coalesce(sum(quantity), 0) AS pieces
    FROM order_items
    WHERE order_id = o.id AND order_placed_at = o.placed_at
) i;
