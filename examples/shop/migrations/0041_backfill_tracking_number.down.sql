-- Both columns say the same; the new one goes with the migration before.
SELECT 1;
