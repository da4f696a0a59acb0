-- schemagate: phase=contract after=0050
DROP TABLE stock_alerts;
DROP TABLE newsletter_subscribers;
DROP FUNCTION follow_subscription();
