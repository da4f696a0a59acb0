-- schemagate: no-transaction
DROP INDEX CONCURRENTLY order_items_product_id_order_id_idx;
