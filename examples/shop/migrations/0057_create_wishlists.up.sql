CREATE TABLE wishlists (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
    name        text NOT NULL DEFAULT 'Wishlist',
    share_token uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE
);

CREATE TABLE wishlist_items (
    wishlist_id bigint NOT NULL REFERENCES wishlists (id) ON DELETE CASCADE,
    product_id  bigint NOT NULL REFERENCES products (id) ON DELETE CASCADE,
    position    integer NOT NULL,
    PRIMARY KEY (wishlist_id, product_id),
    -- Deferrable, so that two items can change places.
    CONSTRAINT wishlist_items_position_key UNIQUE (wishlist_id, position) DEFERRABLE INITIALLY IMMEDIATE
);
