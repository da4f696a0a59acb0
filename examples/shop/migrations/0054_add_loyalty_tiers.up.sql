CREATE TYPE loyalty_tier AS ENUM ('bronze', 'silver', 'gold');

CREATE FUNCTION loyalty_tier_for(points bigint) RETURNS loyalty_tier
LANGUAGE sql IMMUTABLE
RETURN CASE WHEN points >= 1000 THEN 'gold' WHEN points >= 250 THEN 'silver' ELSE 'bronze' END::loyalty_tier;

CREATE VIEW loyalty_accounts AS
SELECT customer_id, sum(points) AS points, loyalty_tier_for(sum(points)) AS tier
FROM loyalty_entries
GROUP BY customer_id;
