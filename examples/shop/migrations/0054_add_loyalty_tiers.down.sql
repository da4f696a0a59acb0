DROP VIEW loyalty_accounts;
DROP FUNCTION loyalty_tier_for(bigint);
DROP TYPE loyalty_tier;
