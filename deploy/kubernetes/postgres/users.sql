-- Two users: one changes the schema, the other one lives in it. A migration's tables belong to the first, so what the second may
-- do with them is said in advance.
CREATE ROLE shop_migrate LOGIN PASSWORD 'migrate';
CREATE ROLE shop_app LOGIN PASSWORD 'app';

GRANT CREATE ON DATABASE shop TO shop_migrate; -- for trusted extensions
GRANT USAGE, CREATE ON SCHEMA public TO shop_migrate;
GRANT USAGE ON SCHEMA public TO shop_app;
ALTER DEFAULT PRIVILEGES FOR ROLE shop_migrate IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO shop_app;
ALTER DEFAULT PRIVILEGES FOR ROLE shop_migrate IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO shop_app;

-- schemagate's own tables (SCHEMAGATE_SCHEMA). The grants to shop_app are for `schemagate wait`, and not needed without it.
CREATE SCHEMA schemagate AUTHORIZATION shop_migrate;
GRANT USAGE ON SCHEMA schemagate TO shop_app;
ALTER DEFAULT PRIVILEGES FOR ROLE shop_migrate IN SCHEMA schemagate GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO shop_app;
