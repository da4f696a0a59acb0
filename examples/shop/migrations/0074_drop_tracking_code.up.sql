-- schemagate: phase=contract after=0041
DROP TRIGGER shipments_sync_tracking ON shipments;
DROP FUNCTION sync_tracking_number();
ALTER TABLE shipments DROP COLUMN tracking_code;
