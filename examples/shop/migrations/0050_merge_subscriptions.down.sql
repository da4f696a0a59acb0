DROP TRIGGER stock_alerts_follow ON stock_alerts;
DROP TRIGGER newsletter_subscribers_follow ON newsletter_subscribers;
DROP FUNCTION follow_subscription();

-- What the newer release wrote is not in the old tables yet.
INSERT INTO newsletter_subscribers (email, subscribed_at, confirmed_at)
SELECT email, subscribed_at, confirmed_at FROM subscriptions WHERE topic = 'newsletter'
ON CONFLICT DO NOTHING;
INSERT INTO stock_alerts (email, product_id, requested_at)
SELECT email, product_id, subscribed_at FROM subscriptions WHERE topic = 'back_in_stock'
ON CONFLICT DO NOTHING;

DROP TABLE subscriptions;
