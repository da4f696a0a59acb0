CREATE FUNCTION search_products(query text, at_most integer DEFAULT 20)
RETURNS TABLE (id bigint, sku text, title text, rank real)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT p.id, p.sku, p.title, ts_rank(p.search, q.q)
    FROM products p, websearch_to_tsquery('english', query) AS q (q)
    WHERE p.active AND (p.search @@ q.q OR p.sku = query)
    ORDER BY CASE WHEN p.sku = query THEN 0 ELSE 1 END, 4 DESC, p.id
    LIMIT at_most;
END;
