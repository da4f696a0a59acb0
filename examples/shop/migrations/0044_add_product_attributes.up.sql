ALTER TABLE products ADD COLUMN attributes jsonb NOT NULL DEFAULT '{}'
    CONSTRAINT products_attributes_object CHECK (jsonb_typeof(attributes) = 'object');

-- "Mug, blue, 300 ml": colour and volume were in the title only.
UPDATE products
SET attributes = attributes || jsonb_strip_nulls(jsonb_build_object(
    'colour', lower(substring(title FROM '(?i)\m(black|white|blue|red|green)\M')),
    'volume_ml', substring(title FROM '(\d+) ?ml\M')::integer))
WHERE title ~* '\m(black|white|blue|red|green)\M|\d+ ?ml\M';
