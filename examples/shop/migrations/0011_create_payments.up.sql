CREATE TYPE payment_method AS ENUM ('card', 'invoice', 'bank_transfer');

CREATE TABLE payments (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id     bigint NOT NULL REFERENCES orders (id),
    method       payment_method NOT NULL,
    amount_cents bigint NOT NULL CHECK (amount_cents <> 0),
    -- What the provider sent, as it came.
    payload      jsonb NOT NULL DEFAULT '{}',
    paid_at      timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX payments_order_id_idx ON payments (order_id);
CREATE UNIQUE INDEX payments_provider_reference_idx ON payments ((payload ->> 'reference')) WHERE payload ? 'reference';
