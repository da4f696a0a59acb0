CREATE TABLE product_prices (
    product_id   bigint NOT NULL REFERENCES products (id) ON DELETE CASCADE,
    valid_during daterange NOT NULL,
    price_cents  bigint NOT NULL CHECK (price_cents >= 0),
    -- One price at a time. A range of one number stands for equality, which GiST knows of plain numbers by an extension only.
    CONSTRAINT product_prices_one_at_a_time
        EXCLUDE USING gist (int8range(product_id, product_id, '[]') WITH &&, valid_during WITH &&)
);

INSERT INTO product_prices (product_id, valid_during, price_cents)
SELECT id, daterange((created_at AT TIME ZONE 'UTC')::date, NULL), price_cents FROM products;

CREATE FUNCTION record_price() RETURNS trigger
LANGUAGE plpgsql
AS $price$
DECLARE
    today date := (now() AT TIME ZONE 'UTC')::date;
BEGIN
    -- The last price of a day is that day's price.
    DELETE FROM product_prices
    WHERE product_id = NEW.id AND upper_inf(valid_during) AND lower(valid_during) >= today;
    UPDATE product_prices SET valid_during = daterange(lower(valid_during), today)
    WHERE product_id = NEW.id AND upper_inf(valid_during);
    INSERT INTO product_prices (product_id, valid_during, price_cents)
    VALUES (NEW.id, daterange(today, NULL), NEW.price_cents);
    RETURN NULL;
END;
$price$;

CREATE TRIGGER products_price_added AFTER INSERT ON products
    FOR EACH ROW EXECUTE FUNCTION record_price();
CREATE TRIGGER products_price_changed AFTER UPDATE OF price_cents ON products
    FOR EACH ROW WHEN (NEW.price_cents <> OLD.price_cents) EXECUTE FUNCTION record_price();
