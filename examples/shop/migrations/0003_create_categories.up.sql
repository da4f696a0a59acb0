CREATE TABLE categories (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    parent_id bigint,
    slug      text NOT NULL UNIQUE,
    name      text NOT NULL,
    blurb     text,
    -- Deferred, so that a tree can be loaded in any order.
    CONSTRAINT categories_parent_id_fkey FOREIGN KEY (parent_id) REFERENCES categories (id)
        DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT categories_not_own_parent CHECK (parent_id <> id)
);

CREATE TABLE product_categories (
    product_id  bigint NOT NULL REFERENCES products (id) ON DELETE CASCADE,
    category_id bigint NOT NULL REFERENCES categories (id) ON DELETE CASCADE,
    PRIMARY KEY (product_id, category_id)
);

CREATE INDEX product_categories_category_id_idx ON product_categories (category_id);
