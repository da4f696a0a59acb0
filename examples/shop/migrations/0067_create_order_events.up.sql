CREATE TABLE order_events (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id        bigint NOT NULL,
    order_placed_at timestamptz NOT NULL,
    old_status      order_status,
    new_status      order_status NOT NULL,
    at              timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT order_events_order_id_fkey
        FOREIGN KEY (order_id, order_placed_at) REFERENCES orders (id, placed_at) ON UPDATE CASCADE ON DELETE CASCADE
);

CREATE INDEX order_events_order_id_idx ON order_events (order_id, at);

-- The audit log knows most of the past, as far as it goes back.
INSERT INTO order_events (order_id, order_placed_at, old_status, new_status, at)
SELECT o.id, o.placed_at, (l.old_row ->> 'status')::order_status, (l.new_row ->> 'status')::order_status, l.at
FROM audit.log l
JOIN orders o ON o.id = l.row_id
WHERE l.table_name = 'orders' AND l.operation <> 'DELETE' AND l.old_row ->> 'status' IS DISTINCT FROM l.new_row ->> 'status'
ORDER BY l.id;

CREATE FUNCTION record_order_event() RETURNS trigger
LANGUAGE plpgsql
AS $event$
BEGIN
    INSERT INTO order_events (order_id, order_placed_at, old_status, new_status)
    VALUES (NEW.id, NEW.placed_at, CASE WHEN TG_OP = 'UPDATE' THEN OLD.status END, NEW.status);
    RETURN NULL;
END;
$event$;

CREATE TRIGGER orders_placed AFTER INSERT ON orders
    FOR EACH ROW EXECUTE FUNCTION record_order_event();
CREATE TRIGGER orders_status_changed AFTER UPDATE OF status ON orders
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION record_order_event();
