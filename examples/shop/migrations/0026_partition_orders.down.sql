DROP TRIGGER payments_fill_order ON payments;
DROP TRIGGER order_items_fill_order ON order_items;
DROP FUNCTION fill_order_placed_at();

ALTER TABLE order_items DROP CONSTRAINT order_items_order_id_fkey;
ALTER TABLE payments DROP CONSTRAINT payments_order_id_fkey;
ALTER TABLE orders RENAME TO orders_by_month;
ALTER INDEX orders_pkey RENAME TO orders_by_month_pkey;
ALTER INDEX orders_customer_id_idx RENAME TO orders_by_month_customer_id_idx;
ALTER SEQUENCE orders_id_seq RENAME TO orders_by_month_id_seq;

CREATE TABLE orders (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES customers (id),
    status      order_status NOT NULL DEFAULT 'pending',
    currency    currency_code NOT NULL,
    placed_at   timestamptz NOT NULL DEFAULT now(),
    note        text,
    updated_at  timestamptz NOT NULL DEFAULT now(),
    total_cents bigint NOT NULL DEFAULT 0,
    CONSTRAINT orders_total_known CHECK (total_cents IS NOT NULL AND total_cents >= 0)
);

INSERT INTO orders (id, customer_id, status, currency, placed_at, note, updated_at, total_cents) OVERRIDING SYSTEM VALUE
SELECT id, customer_id, status, currency, placed_at, note, updated_at, total_cents FROM orders_by_month;
SELECT setval(pg_get_serial_sequence('orders', 'id'), coalesce(max(id), 1), max(id) IS NOT NULL) FROM orders_by_month;
DROP TABLE orders_by_month;

CREATE INDEX orders_customer_id_idx ON orders (customer_id);
CREATE TRIGGER orders_updated_at BEFORE UPDATE ON orders
    FOR EACH ROW EXECUTE FUNCTION set_updated_at();
CREATE TRIGGER orders_audit AFTER INSERT OR UPDATE OR DELETE ON orders
    FOR EACH ROW EXECUTE FUNCTION audit.record_change('orders');

ALTER TABLE order_items DROP COLUMN order_placed_at;
ALTER TABLE payments DROP COLUMN order_placed_at;
ALTER TABLE order_items ADD CONSTRAINT order_items_order_id_fkey
    FOREIGN KEY (order_id) REFERENCES orders (id) ON DELETE CASCADE;
ALTER TABLE payments ADD CONSTRAINT payments_order_id_fkey
    FOREIGN KEY (order_id) REFERENCES orders (id);

CREATE OR REPLACE FUNCTION refresh_order_total() RETURNS trigger
LANGUAGE plpgsql
AS $total$
DECLARE
    changed bigint := coalesce(NEW.order_id, OLD.order_id);
BEGIN
    UPDATE orders
    SET total_cents = (SELECT coalesce(sum(quantity * unit_price_cents), 0) FROM order_items WHERE order_id = changed)
    WHERE id = changed;
    RETURN NULL;
END;
$total$;
