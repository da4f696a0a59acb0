CREATE SCHEMA reporting;

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

CREATE VIEW reporting.customer_value AS
SELECT c.id AS customer_id,
       c.email,
       count(o.id) AS orders,
       coalesce(sum(o.total_cents), 0) AS total_cents,
       max(o.placed_at) AS last_order_at
FROM customers c
LEFT JOIN orders o ON o.customer_id = c.id AND o.status IN ('paid', 'shipped')
GROUP BY c.id, c.email;
