INSERT INTO products (name, cents)
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000)
SELECT 'product ' || i, i % 9000 + 100 FROM n;
