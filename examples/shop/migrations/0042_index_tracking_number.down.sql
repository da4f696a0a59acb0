-- schemagate: no-transaction
DROP INDEX CONCURRENTLY shipments_tracking_number_idx;
