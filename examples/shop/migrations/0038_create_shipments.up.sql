CREATE TABLE shipments (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id        bigint NOT NULL,
    order_placed_at timestamptz NOT NULL,
    warehouse_id    bigint NOT NULL REFERENCES warehouses (id),
    carrier         text NOT NULL,
    shipped_at      timestamptz NOT NULL DEFAULT now(),
    delivered_at    timestamptz CHECK (delivered_at >= shipped_at),
    tracking_code   text,
    CONSTRAINT shipments_order_id_fkey
        FOREIGN KEY (order_id, order_placed_at) REFERENCES orders (id, placed_at) ON UPDATE CASCADE
);

CREATE INDEX shipments_order_id_idx ON shipments (order_id);

-- The first shipment of a paid order ships it.
CREATE FUNCTION ship_order() RETURNS trigger
LANGUAGE plpgsql
AS $ship$
BEGIN
    UPDATE orders SET status = 'shipped'
    WHERE id = NEW.order_id AND placed_at = NEW.order_placed_at AND status = 'paid';
    RETURN NULL;
END;
$ship$;

CREATE TRIGGER shipments_ship_order AFTER INSERT ON shipments
    FOR EACH ROW EXECUTE FUNCTION ship_order();
