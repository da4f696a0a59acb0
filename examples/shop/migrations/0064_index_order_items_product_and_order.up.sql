-- schemagate: no-transaction
-- "Who bought this also bought" reads the index alone.
CREATE INDEX CONCURRENTLY order_items_product_id_order_id_idx ON order_items (product_id, order_id);
