ALTER DOMAIN email_address DROP CONSTRAINT email_address_without_space;
ALTER DOMAIN email_address ADD CONSTRAINT email_address_without_space CHECK (VALUE !~ '\s') NOT VALID;
