DROP VIEW reporting.customer_value;
DROP VIEW reporting.order_summary;
DROP SCHEMA reporting;
