-- Rows must be able to move between the default partition and that of their month, so the foreign keys to orders are off
-- meanwhile. Returns the commands that bring them back.
CREATE FUNCTION drop_order_references() RETURNS text[]
LANGUAGE plpgsql
AS $$
DECLARE
    fk      record;
    restore text[] := '{}';
BEGIN
    FOR fk IN
        SELECT conrelid::regclass AS child, conname, pg_get_constraintdef(oid) AS definition
        FROM pg_constraint
        WHERE contype = 'f' AND confrelid = 'orders'::regclass
        ORDER BY conrelid::regclass::text, conname
    LOOP
        restore := restore || format('ALTER TABLE %s ADD CONSTRAINT %I %s', fk.child, fk.conname, fk.definition);
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', fk.child, fk.conname);
    END LOOP;
    RETURN restore;
END;
$$;

CREATE FUNCTION create_order_partition(month date) RETURNS void
LANGUAGE plpgsql
AS $partition$
DECLARE
    partition text := 'orders_' || to_char(month, 'YYYY_MM');
    first     text := month || ' 00:00:00+00';
    next      text := (month + interval '1 month')::date || ' 00:00:00+00';
    restore   text[] := '{}';
    command   text;
BEGIN
    IF extract(day FROM month) <> 1 THEN
        RAISE EXCEPTION 'a partition starts on the first of a month, not on %', month USING ERRCODE = 'invalid_parameter_value';
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE orders INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', partition);
    IF EXISTS (SELECT FROM orders_default WHERE placed_at >= first::timestamptz AND placed_at < next::timestamptz) THEN
        restore := drop_order_references();
        ALTER TABLE orders_default DISABLE TRIGGER USER; -- a move is no change of the order
        EXECUTE format($move$
            WITH moved AS (DELETE FROM orders_default WHERE placed_at >= %L AND placed_at < %L RETURNING *)
            INSERT INTO %I SELECT * FROM moved;
            $move$, first, next, partition);
        ALTER TABLE orders_default ENABLE TRIGGER USER;
    END IF;
    EXECUTE format('ALTER TABLE orders ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', partition, first, next);
    FOREACH command IN ARRAY restore LOOP
        EXECUTE command;
    END LOOP;
END;
$partition$;

CREATE FUNCTION drop_order_partition(month date) RETURNS void
LANGUAGE plpgsql
AS $partition$
DECLARE
    partition text := 'orders_' || to_char(month, 'YYYY_MM');
    restore   text[] := drop_order_references();
    command   text;
BEGIN
    EXECUTE format('ALTER TABLE orders DETACH PARTITION %I', partition);
    ALTER TABLE orders_default DISABLE TRIGGER USER;
    EXECUTE format('INSERT INTO orders_default SELECT * FROM %I', partition);
    ALTER TABLE orders_default ENABLE TRIGGER USER;
    EXECUTE format('DROP TABLE %I', partition);
    FOREACH command IN ARRAY restore LOOP
        EXECUTE command;
    END LOOP;
END;
$partition$;

SELECT create_order_partition(month::date) FROM generate_series(timestamp '2023-01-01', '2023-12-01', '1 month') AS month;
