DROP STATISTICS addresses_place;
DROP PROCEDURE anonymise_customer(bigint);
ALTER TABLE customers DROP COLUMN anonymised_at;
