-- Slow on purpose: the demo kills the leader in the middle of it.
CREATE TABLE price_history (product INTEGER NOT NULL, day INTEGER NOT NULL, cents INTEGER NOT NULL);
INSERT INTO price_history
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 2500000)
SELECT i % 200000 + 1, i / 200000, i % 9000 + 100 FROM n;
