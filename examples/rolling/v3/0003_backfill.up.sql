-- Every release that serves now writes both columns: what is NULL is older than the second release.
UPDATE people SET full_name = name WHERE full_name IS NULL;
