-- Orders by month. The key of a partitioned table holds its partition key, so what refers to an order refers to both columns.
-- The table is small enough still to be copied while writers wait.
ALTER TABLE order_items ADD COLUMN order_placed_at timestamptz;
ALTER TABLE payments ADD COLUMN order_placed_at timestamptz;
UPDATE order_items i SET order_placed_at = o.placed_at FROM orders o WHERE o.id = i.order_id;
UPDATE payments p SET order_placed_at = o.placed_at FROM orders o WHERE o.id = p.order_id;
ALTER TABLE order_items ALTER COLUMN order_placed_at SET NOT NULL;
ALTER TABLE payments ALTER COLUMN order_placed_at SET NOT NULL;

ALTER TABLE order_items DROP CONSTRAINT order_items_order_id_fkey;
ALTER TABLE payments DROP CONSTRAINT payments_order_id_fkey;
ALTER TABLE orders RENAME TO orders_whole;
ALTER INDEX orders_pkey RENAME TO orders_whole_pkey;
ALTER INDEX orders_customer_id_idx RENAME TO orders_whole_customer_id_idx;
ALTER SEQUENCE orders_id_seq RENAME TO orders_whole_id_seq;

CREATE TABLE orders (
    id          bigint GENERATED ALWAYS AS IDENTITY,
    customer_id bigint NOT NULL REFERENCES customers (id),
    status      order_status NOT NULL DEFAULT 'pending',
    currency    currency_code NOT NULL,
    placed_at   timestamptz NOT NULL DEFAULT now(),
    note        text,
    updated_at  timestamptz NOT NULL DEFAULT now(),
    total_cents bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (id, placed_at),
    CONSTRAINT orders_total_known CHECK (total_cents >= 0)
) PARTITION BY RANGE (placed_at);

CREATE TABLE orders_default PARTITION OF orders DEFAULT;

DO $$
DECLARE
    month date;
BEGIN
    FOR month IN SELECT generate_series(timestamp '2022-09-01', '2022-12-01', '1 month') LOOP
        EXECUTE format('CREATE TABLE %I PARTITION OF orders FOR VALUES FROM (%L) TO (%L)',
                       'orders_' || to_char(month, 'YYYY_MM'),
                       -- UTC, whatever the time zone of who runs this
                       month || ' 00:00:00+00', (month + interval '1 month')::date || ' 00:00:00+00');
    END LOOP;
END;
$$;

INSERT INTO orders (id, customer_id, status, currency, placed_at, note, updated_at, total_cents) OVERRIDING SYSTEM VALUE
SELECT id, customer_id, status, currency, placed_at, note, updated_at, total_cents FROM orders_whole;
SELECT setval(pg_get_serial_sequence('orders', 'id'), coalesce(max(id), 1), max(id) IS NOT NULL) FROM orders_whole;
DROP TABLE orders_whole;

CREATE INDEX orders_customer_id_idx ON orders (customer_id);
CREATE TRIGGER orders_updated_at BEFORE UPDATE ON orders
    FOR EACH ROW EXECUTE FUNCTION set_updated_at();
CREATE TRIGGER orders_audit AFTER INSERT OR UPDATE OR DELETE ON orders
    FOR EACH ROW EXECUTE FUNCTION audit.record_change('orders');

ALTER TABLE order_items ADD CONSTRAINT order_items_order_id_fkey
    FOREIGN KEY (order_id, order_placed_at) REFERENCES orders (id, placed_at) ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE payments ADD CONSTRAINT payments_order_id_fkey
    FOREIGN KEY (order_id, order_placed_at) REFERENCES orders (id, placed_at) ON UPDATE CASCADE;

-- The release that runs now does not know the new column.
CREATE FUNCTION fill_order_placed_at() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    IF NEW.order_placed_at IS NULL THEN
        SELECT placed_at INTO NEW.order_placed_at FROM orders WHERE id = NEW.order_id;
    END IF;
    RETURN NEW;
END;
$$;

CREATE TRIGGER order_items_fill_order BEFORE INSERT ON order_items
    FOR EACH ROW EXECUTE FUNCTION fill_order_placed_at();
CREATE TRIGGER payments_fill_order BEFORE INSERT ON payments
    FOR EACH ROW EXECUTE FUNCTION fill_order_placed_at();

-- With the month given, the total reads and writes one partition.
CREATE OR REPLACE FUNCTION refresh_order_total() RETURNS trigger
LANGUAGE plpgsql
AS $total$
DECLARE
    changed bigint := coalesce(NEW.order_id, OLD.order_id);
    placed  timestamptz := coalesce(NEW.order_placed_at, OLD.order_placed_at);
BEGIN
    UPDATE orders
    SET total_cents = (SELECT coalesce(sum(quantity * unit_price_cents), 0) FROM order_items WHERE order_id = changed)
    WHERE id = changed AND placed_at = placed;
    RETURN NULL;
END;
$total$;
