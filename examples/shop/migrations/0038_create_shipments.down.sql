DROP TABLE shipments;
DROP FUNCTION ship_order();
