CREATE TABLE shop_settings (
    -- One row, ever.
    singleton     boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    base_currency currency_code NOT NULL DEFAULT 'EUR',
    features      jsonb NOT NULL DEFAULT '{}'
);

INSERT INTO shop_settings (features)
VALUES (E'{"wishlists": true, "loyalty": {"cents_per_point": 100}, "banner": "It\'s here; see C:\\\\new"}');

-- Money is written as people read it, in one place.
CREATE FUNCTION format_cents(cents bigint, currency text DEFAULT 'EUR') RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $_$SELECT to_char($1 / 100.0, 'FM999G999G990D00') || ' ' || $2;$_$;
