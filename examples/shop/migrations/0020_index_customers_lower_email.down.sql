-- schemagate: no-transaction
DROP INDEX CONCURRENTLY customers_lower_email_key;
