DROP FUNCTION format_cents(bigint, text);
DROP TABLE shop_settings;
