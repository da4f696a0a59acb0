DROP TABLE stock_reservations;
DROP FUNCTION check_reservations();
