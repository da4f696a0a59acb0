-- schemagate: no-transaction
DROP INDEX CONCURRENTLY reviews_to_moderate_idx;
