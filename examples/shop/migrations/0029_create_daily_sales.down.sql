DROP MATERIALIZED VIEW reporting.daily_sales;
