CREATE TABLE newsletter_subscribers (
    email         email_address PRIMARY KEY,
    subscribed_at timestamptz NOT NULL DEFAULT now(),
    confirmed_at  timestamptz,
    CONSTRAINT newsletter_subscribers_confirmed_later CHECK (confirmed_at >= subscribed_at)
);

CREATE TABLE stock_alerts (
    email        email_address NOT NULL,
    product_id   bigint NOT NULL REFERENCES products (id) ON DELETE CASCADE,
    requested_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (email, product_id)
);

INSERT INTO newsletter_subscribers (email, subscribed_at, confirmed_at)
SELECT email, subscribed_at, confirmed_at FROM subscriptions WHERE topic = 'newsletter';
INSERT INTO stock_alerts (email, product_id, requested_at)
SELECT email, product_id, subscribed_at FROM subscriptions WHERE topic = 'back_in_stock';

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
