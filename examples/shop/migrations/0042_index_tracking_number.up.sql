-- schemagate: no-transaction
CREATE INDEX CONCURRENTLY shipments_tracking_number_idx ON shipments (carrier, tracking_number)
    WHERE tracking_number IS NOT NULL;
