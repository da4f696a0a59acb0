UPDATE shipments SET tracking_number = tracking_code
WHERE tracking_number IS NULL AND tracking_code IS NOT NULL;
