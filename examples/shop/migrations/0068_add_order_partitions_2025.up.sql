DO $$
BEGIN
    PERFORM create_order_partition(month::date)
    FROM generate_series(timestamp '2025-01-01', '2025-12-01', '1 month') AS month;
END;
$$;
