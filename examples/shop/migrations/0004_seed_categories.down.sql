DELETE FROM categories WHERE slug IN ('pens', 'paper', 'mugs', 'tea', 'cables', 'batteries', 'stationery', 'kitchen', 'electronics');
SELECT setval(pg_get_serial_sequence('categories', 'id'), 1, false);
