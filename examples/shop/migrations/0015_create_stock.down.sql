DROP TABLE stock_movements;
DROP FUNCTION apply_stock_movement();
DROP TABLE stock_levels;
