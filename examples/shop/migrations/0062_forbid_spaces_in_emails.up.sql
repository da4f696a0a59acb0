ALTER DOMAIN email_address ADD CONSTRAINT email_address_without_space CHECK (VALUE !~ '\s') NOT VALID;

UPDATE customers SET email = regexp_replace(email, '\s', '', 'g') WHERE email ~ '\s';
UPDATE newsletter_subscribers SET email = regexp_replace(email, '\s', '', 'g') WHERE email ~ '\s';
UPDATE stock_alerts SET email = regexp_replace(email, '\s', '', 'g') WHERE email ~ '\s';
UPDATE subscriptions SET email = regexp_replace(email, '\s', '', 'g') WHERE email ~ '\s';
UPDATE suppliers SET email = regexp_replace(email, '\s', '', 'g') WHERE email ~ '\s';
