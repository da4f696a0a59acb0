DROP TRIGGER orders_status_changed ON orders;
DROP TRIGGER orders_placed ON orders;
DROP FUNCTION record_order_event();
DROP TABLE order_events;
