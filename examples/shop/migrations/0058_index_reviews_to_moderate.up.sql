-- schemagate: no-transaction
CREATE INDEX CONCURRENTLY reviews_to_moderate_idx ON reviews (created_at)
    WHERE status = 'pending';
