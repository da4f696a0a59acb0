-- schemagate: no-transaction
DROP INDEX CONCURRENTLY order_items_product_id_idx;
