-- A warehouse with stock stays, until its table goes.
DELETE FROM warehouses w
WHERE code IN ('HAM', 'RTM')
  AND NOT EXISTS (SELECT FROM stock_levels l WHERE l.warehouse_id = w.id)
  AND NOT EXISTS (SELECT FROM stock_movements m WHERE m.warehouse_id = w.id);
