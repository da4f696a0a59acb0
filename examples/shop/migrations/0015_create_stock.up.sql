CREATE TABLE stock_levels (
    warehouse_id bigint NOT NULL REFERENCES warehouses (id),
    product_id   bigint NOT NULL REFERENCES products (id),
    quantity     integer NOT NULL,
    PRIMARY KEY (warehouse_id, product_id),
    CONSTRAINT stock_levels_not_negative CHECK (quantity >= 0)
);

CREATE TABLE stock_movements (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    warehouse_id bigint NOT NULL REFERENCES warehouses (id),
    product_id   bigint NOT NULL REFERENCES products (id),
    delta        integer NOT NULL CHECK (delta <> 0),
    reason       text NOT NULL,
    moved_at     timestamptz NOT NULL DEFAULT now()
);

CREATE FUNCTION apply_stock_movement() RETURNS trigger
LANGUAGE plpgsql
AS $stock$
BEGIN
    -- Not ON CONFLICT: the check refuses a negative row before the conflict is seen.
    UPDATE stock_levels SET quantity = quantity + NEW.delta
    WHERE warehouse_id = NEW.warehouse_id AND product_id = NEW.product_id;
    IF NOT FOUND THEN
        INSERT INTO stock_levels (warehouse_id, product_id, quantity)
        VALUES (NEW.warehouse_id, NEW.product_id, NEW.delta);
    END IF;
    RETURN NULL;
END;
$stock$;

CREATE TRIGGER stock_movements_apply AFTER INSERT ON stock_movements
    FOR EACH ROW EXECUTE FUNCTION apply_stock_movement();
