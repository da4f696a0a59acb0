-- The column takes its old name again and the new one is added behind it, so that the table is the one it was.
DROP INDEX shipments_tracking_number_idx;
ALTER TABLE shipments RENAME COLUMN tracking_number TO tracking_code;
ALTER TABLE shipments ADD COLUMN tracking_number text;
UPDATE shipments SET tracking_number = tracking_code WHERE tracking_code IS NOT NULL;
CREATE INDEX shipments_tracking_number_idx ON shipments (carrier, tracking_number)
    WHERE tracking_number IS NOT NULL;

CREATE FUNCTION sync_tracking_number() RETURNS trigger
LANGUAGE plpgsql
AS $sync$
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.tracking_number := coalesce(NEW.tracking_number, NEW.tracking_code);
        NEW.tracking_code := NEW.tracking_number;
    ELSIF NEW.tracking_number IS DISTINCT FROM OLD.tracking_number THEN
        NEW.tracking_code := NEW.tracking_number;
    ELSIF NEW.tracking_code IS DISTINCT FROM OLD.tracking_code THEN
        NEW.tracking_number := NEW.tracking_code;
    END IF;
    RETURN NEW;
END;
$sync$;

CREATE TRIGGER shipments_sync_tracking BEFORE INSERT OR UPDATE OF tracking_code, tracking_number ON shipments
    FOR EACH ROW EXECUTE FUNCTION sync_tracking_number();
