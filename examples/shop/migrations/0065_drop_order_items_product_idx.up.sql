-- schemagate: no-transaction
-- The index of the migration before starts with the same column.
DROP INDEX CONCURRENTLY order_items_product_id_idx;
