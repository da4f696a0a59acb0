-- The totals are right with and without the backfill; the column goes with the migration before.
SELECT 1;
