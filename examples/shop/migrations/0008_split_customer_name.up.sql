-- The column is turned into another instead of being replaced: the shop is not open yet, so nobody reads it under its old name.
ALTER TABLE customers ADD COLUMN last_name text NOT NULL DEFAULT '';
ALTER TABLE customers RENAME COLUMN name TO first_name;

-- The last word is the family name; who has one word has no family name.
UPDATE customers
SET first_name = regexp_replace(first_name, '\s+\S+$', ''),
    last_name  = substring(first_name FROM '\S+$')
WHERE first_name ~ '\S\s+\S+$';
