BEGIN;

DROP TABLE return_items;
DROP FUNCTION restock_return();
DROP TABLE returns;

COMMIT;
