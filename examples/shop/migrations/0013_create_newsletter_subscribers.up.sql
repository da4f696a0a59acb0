CREATE TABLE newsletter_subscribers (
    email         email_address PRIMARY KEY,
    subscribed_at timestamptz NOT NULL DEFAULT now(),
    confirmed_at  timestamptz,
    CONSTRAINT newsletter_subscribers_confirmed_later CHECK (confirmed_at >= subscribed_at)
);
