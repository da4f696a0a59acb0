-- schemagate: no-transaction
DROP INDEX CONCURRENTLY products_search_idx;
