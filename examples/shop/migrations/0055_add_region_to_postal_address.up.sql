-- A warehouse in Spain: its province is part of the address.
ALTER TYPE postal_address ADD ATTRIBUTE region text;

CREATE FUNCTION one_line(address postal_address) RETURNS text
LANGUAGE sql IMMUTABLE
RETURN concat_ws(', ', address.street, concat_ws(' ', address.postcode, address.city), address.region, address.country);
