-- Written for psql, which needs the transaction to be said.
BEGIN;

CREATE TABLE returns (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id        bigint NOT NULL,
    order_placed_at timestamptz NOT NULL,
    reason          text NOT NULL,
    received_at     timestamptz,
    CONSTRAINT returns_order_id_fkey
        FOREIGN KEY (order_id, order_placed_at) REFERENCES orders (id, placed_at) ON UPDATE CASCADE
);

CREATE TABLE return_items (
    return_id    bigint NOT NULL REFERENCES returns (id) ON DELETE CASCADE,
    product_id   bigint NOT NULL REFERENCES products (id),
    warehouse_id bigint NOT NULL REFERENCES warehouses (id),
    quantity     integer NOT NULL CHECK (quantity > 0),
    resellable   boolean NOT NULL DEFAULT true,
    PRIMARY KEY (return_id, product_id)
);

-- What can be sold again goes back on the shelf.
CREATE FUNCTION restock_return() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO stock_movements (warehouse_id, product_id, delta, reason)
    VALUES (NEW.warehouse_id, NEW.product_id, NEW.quantity, 'return ' || NEW.return_id);
    RETURN NULL;
END;
$$;

CREATE TRIGGER return_items_restock AFTER INSERT ON return_items
    FOR EACH ROW WHEN (NEW.resellable) EXECUTE FUNCTION restock_return();

COMMIT;
