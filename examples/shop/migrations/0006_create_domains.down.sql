ALTER TABLE customers ALTER COLUMN email TYPE text;
DROP DOMAIN currency_code;
DROP DOMAIN country_code;
DROP DOMAIN email_address;
