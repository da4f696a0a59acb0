-- Old rows stay NULL for the backfill; new ones start at 0, whichever release writes them.
ALTER TABLE orders ADD COLUMN total_cents bigint;
ALTER TABLE orders ALTER COLUMN total_cents SET DEFAULT 0;

CREATE FUNCTION refresh_order_total() RETURNS trigger
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

CREATE TRIGGER order_items_total AFTER INSERT OR DELETE OR UPDATE OF quantity, unit_price_cents ON order_items
    FOR EACH ROW EXECUTE FUNCTION refresh_order_total();
