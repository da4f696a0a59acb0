ALTER TABLE customers ADD COLUMN preferences jsonb NOT NULL DEFAULT '{}'
    CONSTRAINT customers_preferences_object CHECK (jsonb_typeof(preferences) = 'object');

UPDATE customers c
SET preferences = jsonb_set(preferences, '{newsletter}', 'true')
WHERE EXISTS (SELECT FROM subscriptions s WHERE s.topic = 'newsletter' AND lower(s.email) = lower(c.email));
