DROP FUNCTION one_line(postal_address);
ALTER TYPE postal_address DROP ATTRIBUTE region;
