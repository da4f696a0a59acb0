-- schemagate: phase=contract after=0004
ALTER TABLE people DROP COLUMN name;
