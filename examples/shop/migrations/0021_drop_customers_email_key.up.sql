-- schemagate: no-transaction
-- customers_lower_email_key is stricter, and is the one that log-in uses.
DROP INDEX CONCURRENTLY customers_email_key;
