-- Cents of two currencies were added up.
DROP MATERIALIZED VIEW reporting.daily_sales;

CREATE MATERIALIZED VIEW reporting.daily_sales AS
SELECT (placed_at AT TIME ZONE 'UTC')::date AS day,
       currency,
       count(*) AS orders,
       sum(total_cents) AS revenue_cents
FROM public.orders
WHERE status IN ('paid', 'shipped')
GROUP BY 1, 2;

CREATE UNIQUE INDEX daily_sales_day_currency_key ON reporting.daily_sales (day, currency);

CREATE PROCEDURE reporting.refresh()
LANGUAGE plpgsql
SET search_path = pg_catalog
AS $$
BEGIN
    REFRESH MATERIALIZED VIEW CONCURRENTLY reporting.daily_sales;
END;
$$;

CALL reporting.refresh();
