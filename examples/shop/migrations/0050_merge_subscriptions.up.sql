-- Two tables of addresses to write to become one. The release that runs now goes on with the old two, so their rows follow.
CREATE TABLE subscriptions (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email         email_address NOT NULL,
    topic         text NOT NULL CHECK (topic IN ('newsletter', 'back_in_stock')),
    product_id    bigint REFERENCES products (id) ON DELETE CASCADE,
    subscribed_at timestamptz NOT NULL DEFAULT now(),
    confirmed_at  timestamptz,
    CONSTRAINT subscriptions_product_of_alert CHECK ((topic = 'back_in_stock') = (product_id IS NOT NULL)),
    CONSTRAINT subscriptions_once UNIQUE NULLS NOT DISTINCT (email, topic, product_id)
);

INSERT INTO subscriptions (email, topic, product_id, subscribed_at, confirmed_at)
SELECT email, 'newsletter', NULL, subscribed_at, confirmed_at FROM newsletter_subscribers
UNION ALL
SELECT email, 'back_in_stock', product_id, requested_at, requested_at FROM stock_alerts
ORDER BY 4, 1;

CREATE FUNCTION follow_subscription() RETURNS trigger
LANGUAGE plpgsql
AS $follow$
DECLARE
    gone jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
    here jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
BEGIN
    DELETE FROM subscriptions s
    WHERE s.email = gone ->> 'email' AND s.topic = TG_ARGV[0]
      AND s.product_id IS NOT DISTINCT FROM (gone ->> 'product_id')::bigint;
    IF here IS NOT NULL THEN
        INSERT INTO subscriptions (email, topic, product_id, subscribed_at, confirmed_at)
        VALUES (here ->> 'email', TG_ARGV[0], (here ->> 'product_id')::bigint,
                coalesce(here ->> 'subscribed_at', here ->> 'requested_at')::timestamptz,
                coalesce(here ->> 'confirmed_at', here ->> 'requested_at')::timestamptz)
        ON CONFLICT ON CONSTRAINT subscriptions_once DO NOTHING;
    END IF;
    RETURN NULL;
END;
$follow$;

CREATE TRIGGER newsletter_subscribers_follow AFTER INSERT OR UPDATE OR DELETE ON newsletter_subscribers
    FOR EACH ROW EXECUTE FUNCTION follow_subscription('newsletter');
CREATE TRIGGER stock_alerts_follow AFTER INSERT OR UPDATE OR DELETE ON stock_alerts
    FOR EACH ROW EXECUTE FUNCTION follow_subscription('back_in_stock');
