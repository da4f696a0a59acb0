ALTER TABLE customers ADD COLUMN anonymised_at timestamptz;

-- Orders stay for the tax office; the person behind them goes.
CREATE PROCEDURE anonymise_customer(who bigint)
LANGUAGE plpgsql
AS $anonymise$
BEGIN
    DELETE FROM subscriptions s USING customers c WHERE c.id = who AND lower(s.email) = lower(c.email);
    DELETE FROM addresses WHERE customer_id = who;
    DELETE FROM wishlists WHERE customer_id = who;
    UPDATE customers
    SET email = format('anonymous-%s@example.invalid', who),
        first_name = $name$Anonymous$name$,
        last_name = '',
        preferences = '{}',
        anonymised_at = now()
    WHERE id = who AND anonymised_at IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'customer % is unknown, or anonymous already', who USING ERRCODE = 'no_data_found';
    END IF;
END;
$anonymise$;

CREATE STATISTICS addresses_place (dependencies, ndistinct) ON postcode, city, country FROM addresses;
ANALYZE addresses;
