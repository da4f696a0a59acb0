SELECT drop_order_partition(month::date) FROM generate_series(timestamp '2023-01-01', '2023-12-01', '1 month') AS month;
DROP FUNCTION drop_order_partition(date);
DROP FUNCTION create_order_partition(date);
DROP FUNCTION drop_order_references();
