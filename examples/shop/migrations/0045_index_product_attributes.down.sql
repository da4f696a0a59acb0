-- schemagate: no-transaction
DROP INDEX CONCURRENTLY products_attributes_idx;
