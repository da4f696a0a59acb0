DROP PROCEDURE reporting.refresh();
DROP MATERIALIZED VIEW reporting.daily_sales;

CREATE MATERIALIZED VIEW reporting.daily_sales AS
SELECT (placed_at AT TIME ZONE 'UTC')::date AS day,
       count(*) AS orders,
       sum(total_cents) AS revenue_cents
FROM public.orders
WHERE status IN ('paid', 'shipped')
GROUP BY 1;

CREATE UNIQUE INDEX daily_sales_day_key ON reporting.daily_sales (day);
