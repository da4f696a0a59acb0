CREATE TABLE stock_alerts (
    email        email_address NOT NULL,
    product_id   bigint NOT NULL REFERENCES products (id) ON DELETE CASCADE,
    requested_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (email, product_id)
);
