CREATE DOMAIN email_address AS text
    CONSTRAINT email_address_has_at CHECK (VALUE ~ '^[^@]+@[^@]+$');
CREATE DOMAIN country_code AS text
    CONSTRAINT country_code_two_letters CHECK (VALUE ~ '^[A-Z]{2}$');
CREATE DOMAIN currency_code AS text DEFAULT 'EUR'
    CONSTRAINT currency_code_three_letters CHECK (VALUE ~ '^[A-Z]{3}$');

ALTER TABLE customers ALTER COLUMN email TYPE email_address;
