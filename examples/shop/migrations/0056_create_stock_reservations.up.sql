CREATE TABLE stock_reservations (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    warehouse_id   bigint NOT NULL,
    product_id     bigint NOT NULL,
    quantity       integer NOT NULL CHECK (quantity > 0),
    reserved_until timestamptz NOT NULL,
    FOREIGN KEY (warehouse_id, product_id) REFERENCES stock_levels (warehouse_id, product_id)
);

CREATE FUNCTION check_reservations() RETURNS trigger
LANGUAGE plpgsql
AS $reserve$
DECLARE
    on_shelf integer;
    reserved bigint;
BEGIN
    SELECT quantity INTO on_shelf FROM stock_levels
    WHERE warehouse_id = NEW.warehouse_id AND product_id = NEW.product_id
    FOR UPDATE;
    SELECT coalesce(sum(quantity), 0) INTO reserved FROM stock_reservations
    WHERE warehouse_id = NEW.warehouse_id AND product_id = NEW.product_id AND reserved_until > now();
    IF reserved > on_shelf THEN
        RAISE EXCEPTION 'product %: % reserved, % on the shelf', NEW.product_id, reserved, on_shelf
            USING ERRCODE = 'check_violation', HINT = 'Look in another warehouse; or wait.';
    END IF;
    RETURN NULL;
END;
$reserve$;

-- At commit: one checkout frees and reserves in any order.
CREATE CONSTRAINT TRIGGER stock_reservations_fit AFTER INSERT OR UPDATE ON stock_reservations
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION check_reservations();
