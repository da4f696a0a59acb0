CREATE TYPE address_kind AS ENUM ('billing', 'shipping');

CREATE TABLE addresses (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
    kind        address_kind NOT NULL,
    street      text NOT NULL,
    postcode    text NOT NULL,
    city        text NOT NULL,
    country     country_code NOT NULL,
    is_default  boolean NOT NULL DEFAULT false
);

-- At most one default of each kind.
CREATE UNIQUE INDEX addresses_one_default_idx ON addresses (customer_id, kind) WHERE is_default;
