-- schemagate: phase=cutover
ALTER TABLE people RENAME COLUMN full_name TO display_name;
