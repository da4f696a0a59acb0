-- tracking_code becomes tracking_number. Expand: both are there and say the same, whichever of the two a release writes.
ALTER TABLE shipments ADD COLUMN tracking_number text;

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
