-- schemagate: no-transaction
ALTER TYPE payment_method ADD VALUE IF NOT EXISTS 'wallet' AFTER 'card';
