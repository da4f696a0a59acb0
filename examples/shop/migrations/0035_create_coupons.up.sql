CREATE TABLE coupons (
    code        text PRIMARY KEY CHECK (code = upper(code)),
    percent_off smallint CHECK (percent_off BETWEEN 1 AND 100),
    cents_off   bigint CHECK (cents_off > 0),
    -- For example {"min_total_cents": 5000, "countries": ["DE", "NL"]}
    conditions  jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(conditions) = 'object'),
    starts_at   timestamptz NOT NULL DEFAULT now(),
    ends_at     timestamptz,
    CONSTRAINT coupons_one_discount CHECK (num_nonnulls(percent_off, cents_off) = 1),
    CONSTRAINT coupons_end_after_start CHECK (ends_at > starts_at)
);

CREATE INDEX coupons_open_ended_idx ON coupons (starts_at) WHERE ends_at IS NULL;

CREATE TABLE order_coupons (
    order_id        bigint NOT NULL,
    order_placed_at timestamptz NOT NULL,
    coupon_code     text NOT NULL REFERENCES coupons (code) ON UPDATE CASCADE,
    discount_cents  bigint NOT NULL CHECK (discount_cents > 0),
    PRIMARY KEY (order_id, coupon_code),
    CONSTRAINT order_coupons_order_id_fkey
        FOREIGN KEY (order_id, order_placed_at) REFERENCES orders (id, placed_at) ON UPDATE CASCADE ON DELETE CASCADE
);
