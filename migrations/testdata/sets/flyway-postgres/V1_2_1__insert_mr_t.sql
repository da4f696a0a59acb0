-- Default placeholders
GRANT SELECT ON SCHEMA ${flyway:defaultSchema} TO ${FLYWAY:USER};

-- User defined placeholder
INSERT INTO ${tableName} (name) VALUES ('Mr. T from ${flyway:filename}');
