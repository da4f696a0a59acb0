DROP TRIGGER products_price_changed ON products;
DROP TRIGGER products_price_added ON products;
DROP FUNCTION record_price();
DROP TABLE product_prices;
