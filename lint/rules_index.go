package lint

func indexRules() []Rule {
	return []Rule{{
		ID: "index-without-concurrently", Title: "CREATE INDEX without CONCURRENTLY", Severity: Warning, Dialects: postgresOnly(),
		Lock: share, Blocks: blocksWrites,
		Why:  "The table is read from end to end while the index is built, and until then nobody can insert, update or delete.",
		Safe: "CREATE INDEX CONCURRENTLY, in a file of its own: it takes longer, and lets writers through",
		Bad:  "CREATE INDEX orders_customer_id_idx ON orders (customer_id);",
		Good: []string{"CREATE INDEX CONCURRENTLY orders_customer_id_idx ON orders (customer_id);"},
	}, {
		ID: "concurrently-on-partitioned", Title: "CREATE INDEX CONCURRENTLY on a partitioned table", Severity: Error, Dialects: postgresOnly(),
		Blocks: "the release: PostgreSQL refuses it (0A000)", Fails: "0A000",
		Why:  "A partitioned table has no rows of its own, and its partitions can't be indexed concurrently in one go.",
		Safe: "CREATE INDEX ON ONLY the parent, CREATE INDEX CONCURRENTLY on each partition, then ALTER INDEX ... ATTACH PARTITION",
		Bad:  "CREATE INDEX CONCURRENTLY events_body_idx ON events (body);",
		Good: []string{"CREATE INDEX events_body_idx ON ONLY events (body);", "CREATE INDEX CONCURRENTLY events_2024_body_idx ON events_2024 (body);",
			"ALTER INDEX events_body_idx ATTACH PARTITION events_2024_body_idx;"},
	}, {
		ID: "drop-index-without-concurrently", Title: "DROP INDEX without CONCURRENTLY", Severity: Warning, Dialects: postgresOnly(),
		Lock: accessExclusive, Blocks: blocksAll,
		Why:  "Dropping is quick, but it has to wait for every query on the table first, and all that come later wait behind it.",
		Safe: "DROP INDEX CONCURRENTLY, in a file of its own",
		Bad:  "DROP INDEX orders_note_idx;",
		Good: []string{"DROP INDEX CONCURRENTLY orders_note_idx;"},
	}, {
		ID: "reindex-without-concurrently", Title: "REINDEX without CONCURRENTLY", Severity: Warning, Dialects: postgresOnly(),
		Lock: share, Blocks: "all writes, and reads that would use the index",
		Why:  "The table takes no writes, and the index no readers, until it is built.",
		Safe: "REINDEX ... CONCURRENTLY, in a file of its own",
		Bad:  "REINDEX TABLE orders;",
		Good: []string{"REINDEX TABLE CONCURRENTLY orders;"},
	}}
}

func columnRules() []Rule {
	return []Rule{{
		ID: "volatile-default", Title: "A new column with a volatile default", Severity: Warning, Dialects: postgresOnly(),
		Lock: accessExclusive, Blocks: blocksAll, Rewrites: true,
		Why: "A constant, or `now()`, is stored once for all old rows. A volatile function (`gen_random_uuid()`, `random()`, `clock_timestamp()`, a function of your own that is not " +
			"declared STABLE or IMMUTABLE) is called for every row, and the table is written anew under the lock.",
		Safe: "add the column without a default, set the default for new rows, and fill the old ones in batches",
		Bad:  "ALTER TABLE orders ADD COLUMN token uuid DEFAULT gen_random_uuid();",
		Good: []string{"ALTER TABLE orders ADD COLUMN token uuid;\nALTER TABLE orders ALTER COLUMN token SET DEFAULT gen_random_uuid();"},
	}, {
		ID: "add-serial-column", Title: "A new column that numbers itself", Severity: Warning, Dialects: postgresOnly(),
		Lock: accessExclusive, Blocks: blocksAll, Rewrites: true,
		Why:  "`serial` and `GENERATED ... AS IDENTITY` give every old row a number, and write the table anew for it.",
		Safe: "add a plain column, a sequence and a default for new rows, and number the old ones in batches",
		Bad:  "ALTER TABLE orders ADD COLUMN number bigserial;",
		Good: []string{"CREATE SEQUENCE orders_number_seq;\nALTER TABLE orders ADD COLUMN number bigint;\nALTER TABLE orders ALTER COLUMN number SET DEFAULT nextval('orders_number_seq');"},
	}, {
		ID: "add-generated-column", Title: "A new stored generated column", Severity: Warning, Dialects: postgresOnly(),
		Lock: accessExclusive, Blocks: blocksAll, Rewrites: true,
		Why:  "It is computed for every old row, and the table is written anew for it.",
		Safe: "an index on the expression, or a plain column that a trigger keeps and a backfill fills",
		Bad:  "ALTER TABLE orders ADD COLUMN total numeric GENERATED ALWAYS AS (amount * quantity) STORED;",
		Good: []string{"ALTER TABLE orders ADD COLUMN total numeric;"},
	}, {
		ID: "add-domain-column", Title: "A new column whose type is a domain with a constraint", Severity: Warning, Dialects: postgresOnly(),
		Lock: accessExclusive, Blocks: blocksAll, Rewrites: true,
		Why:  "The domain's constraint is checked for every old row, with a default or without, and the table is written anew for it.",
		Safe: "the domain's base type with the same CHECK as a constraint of the table, NOT VALID first and validated in a later file",
		Bad:  "ALTER TABLE orders ADD COLUMN score percentage DEFAULT 0;",
		Good: []string{"ALTER TABLE orders ADD COLUMN score integer DEFAULT 0;\nALTER TABLE orders ADD CONSTRAINT score_percentage CHECK (score BETWEEN 0 AND 100) NOT VALID;",
			"ALTER TABLE orders VALIDATE CONSTRAINT score_percentage;"},
	}, {
		ID: "add-not-null-column", Title: "A new NOT NULL column without a default", Severity: Error, Dialects: postgresOnly(),
		Lock: accessExclusive, Blocks: "the release where the table has rows (23502), and every INSERT of the running release", Fails: "23502",
		Why:  "Old rows would have NULL, and so would those that the running release inserts, since it does not know the column.",
		Safe: "give it a constant default, or add it without NOT NULL",
		Bad:  "ALTER TABLE orders ADD COLUMN channel text NOT NULL;",
		Good: []string{"ALTER TABLE orders ADD COLUMN channel text NOT NULL DEFAULT 'web';"},
	}, {
		ID: "set-not-null", Title: "SET NOT NULL without a valid check", Severity: Warning, Dialects: postgresOnly(),
		Lock: accessExclusive, Blocks: blocksAll,
		Why:  "Every row is read under the lock, unless a valid CHECK proves that none has NULL.",
		Safe: "add CHECK (x IS NOT NULL) NOT VALID, validate it in a later file, and only then SET NOT NULL",
		Bad:  "ALTER TABLE orders ALTER COLUMN code SET NOT NULL;",
		Good: []string{"ALTER TABLE orders ADD CONSTRAINT code_known CHECK (code IS NOT NULL) NOT VALID;", "ALTER TABLE orders VALIDATE CONSTRAINT code_known;",
			"ALTER TABLE orders ALTER COLUMN code SET NOT NULL;\nALTER TABLE orders DROP CONSTRAINT code_known;"},
	}, {
		ID: "column-type", Title: "Another type for a column", Severity: Warning, Dialects: postgresOnly(),
		Lock: accessExclusive, Blocks: blocksAll, Rewrites: true,
		Why: "The table and its indexes are written anew under the lock. No warning where PostgreSQL need not: `varchar` to `text` or to a longer `varchar`, `numeric` to more digits with " +
			"the same scale. The old type is taken from the migrations that made the column; where they don't tell it, the worse is assumed. A CHECK on the column is checked again for every row, even then.",
		Safe: "add a column of the new type, have a trigger or the app write both, fill it in batches, and drop the old one in a contract migration",
		Bad:  "ALTER TABLE orders ALTER COLUMN quantity TYPE bigint;",
		Good: []string{"ALTER TABLE orders ADD COLUMN quantity_big bigint;", "ALTER TABLE orders ALTER COLUMN note TYPE varchar(200);"},
	}}
}
