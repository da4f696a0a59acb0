CREATE TABLE carts (
    id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    customer_id bigint REFERENCES customers (id) ON DELETE CASCADE,
    -- [{"sku": "MUG-1", "quantity": 2}]
    items       jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(items) = 'array'),
    expires_at  timestamptz NOT NULL DEFAULT now() + interval '30 days'
) WITH (fillfactor = 70);

CREATE INDEX carts_expires_at_idx ON carts (expires_at);

CREATE FUNCTION cart_total_cents(cart carts) RETURNS bigint
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT coalesce(sum(p.price_cents * i.quantity), 0)::bigint
    FROM jsonb_to_recordset(cart.items) AS i (sku text, quantity integer)
    JOIN products p ON p.sku = i.sku;
END;

CREATE PROCEDURE expire_carts(INOUT expired bigint DEFAULT 0)
LANGUAGE plpgsql
AS $$
BEGIN
    DELETE FROM carts WHERE expires_at < now();
    GET DIAGNOSTICS expired = ROW_COUNT;
END;
$$;
