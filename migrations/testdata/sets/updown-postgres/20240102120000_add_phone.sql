/* Phones. */
--- Up Migration: phones ---
BEGIN;
ALTER TABLE users ADD COLUMN phone text;
COMMIT;
--- Down Migration
ALTER TABLE users DROP COLUMN phone;
