-- UP migration
ALTER TABLE users ADD COLUMN email text;

-- DOWN migration
ALTER TABLE users DROP COLUMN email;
