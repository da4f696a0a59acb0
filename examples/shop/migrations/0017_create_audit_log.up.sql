CREATE SCHEMA audit;

CREATE TABLE audit.log (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor      text,
    table_name text NOT NULL,
    operation  text NOT NULL CHECK (operation IN ('INSERT', 'UPDATE', 'DELETE')),
    row_id     bigint NOT NULL,
    old_row    jsonb,
    new_row    jsonb
);

CREATE INDEX log_row_idx ON audit.log (table_name, row_id);

CREATE FUNCTION audit.record_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog
AS $audit$
DECLARE
    before jsonb;
    after  jsonb;
BEGIN
    IF TG_OP <> 'INSERT' THEN
        before := to_jsonb(OLD);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        after := to_jsonb(NEW);
    END IF;
    -- The name comes from the trigger: on a partition TG_TABLE_NAME would be the partition's.
    INSERT INTO audit.log (actor, table_name, operation, row_id, old_row, new_row)
    VALUES (current_setting('shop.actor', true), TG_ARGV[0], TG_OP,
            (coalesce(after, before) ->> 'id')::bigint, before, after);
    RETURN NULL;
END;
$audit$;

DO $do$
DECLARE
    audited text;
BEGIN
    FOREACH audited IN ARRAY ARRAY['customers', 'orders', 'products'] LOOP
        EXECUTE format('CREATE TRIGGER %I AFTER INSERT OR UPDATE OR DELETE ON %I '
                       'FOR EACH ROW EXECUTE FUNCTION audit.record_change(%L)',
                       audited || '_audit', audited, audited);
    END LOOP;
END;
$do$;
