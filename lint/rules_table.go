package lint

func constraintRules() []Rule {
	return []Rule{{
		ID: "check-without-not-valid", Title: "CHECK without NOT VALID", Severity: Warning, Dialects: postgresOnly(),
		Lock: accessExclusive, Blocks: blocksAll,
		Why:  "Every row is read under the lock. NOT VALID checks new rows at once; VALIDATE, later, reads the old ones under a lock that lets reads and writes through.",
		Safe: "ADD CONSTRAINT ... NOT VALID, then VALIDATE CONSTRAINT in a file of its own",
		Bad:  "ALTER TABLE orders ADD CONSTRAINT quantity_positive CHECK (quantity > 0);",
		Good: []string{"ALTER TABLE orders ADD CONSTRAINT quantity_positive CHECK (quantity > 0) NOT VALID;", "ALTER TABLE orders VALIDATE CONSTRAINT quantity_positive;"},
	}, {
		ID: "foreign-key-without-not-valid", Title: "FOREIGN KEY without NOT VALID", Severity: Warning, Dialects: postgresOnly(),
		Lock: shareRowExclusive, Blocks: blocksWrites + ", on both tables",
		Why:  "Every row is looked up in the other table, and until then neither takes a write. No warning for a new column without a default: there is nothing to look up.",
		Safe: "ADD CONSTRAINT ... NOT VALID, then VALIDATE CONSTRAINT in a file of its own",
		Bad:  "ALTER TABLE orders ADD CONSTRAINT orders_customer_fkey FOREIGN KEY (customer_id) REFERENCES customers (id);",
		Good: []string{"ALTER TABLE orders ADD CONSTRAINT orders_customer_fkey FOREIGN KEY (customer_id) REFERENCES customers (id) NOT VALID;",
			"ALTER TABLE orders VALIDATE CONSTRAINT orders_customer_fkey;"},
	}, {
		ID: "unique-without-index", Title: "UNIQUE or PRIMARY KEY without USING INDEX", Severity: Warning, Dialects: postgresOnly(),
		Lock: accessExclusive, Blocks: blocksAll,
		Why:  "The index is built under the lock.",
		Safe: "CREATE UNIQUE INDEX CONCURRENTLY in a file of its own, then ADD CONSTRAINT ... USING INDEX",
		Bad:  "ALTER TABLE orders ADD CONSTRAINT orders_code_key UNIQUE (code);",
		Good: []string{"CREATE UNIQUE INDEX CONCURRENTLY orders_code_key ON orders (code);", "ALTER TABLE orders ADD CONSTRAINT orders_code_key UNIQUE USING INDEX orders_code_key;"},
	}, {
		ID: "exclusion-constraint", Title: "An exclusion constraint", Severity: Warning, Dialects: postgresOnly(),
		Lock: accessExclusive, Blocks: blocksAll,
		Why:  "Its index is built under the lock, and PostgreSQL has no way to build it before.",
		Safe: "add it when the table is made; else to a new table that is filled in batches and then takes the old one's place in a contract migration",
		Bad:  "ALTER TABLE orders ADD CONSTRAINT one_at_a_time EXCLUDE USING gist (tsrange(placed_at, placed_at, '[]') WITH &&);",
		Good: []string{"CREATE TABLE bookings (during tstzrange, EXCLUDE USING gist (during WITH &&));"},
	}}
}

func tableRules() []Rule {
	return []Rule{{
		ID: "many-locks", Title: "Several tables locked in one transaction", Severity: Warning, Dialects: postgresOnly(),
		Lock: accessExclusive, Blocks: blocksAll + ", on each of the tables until the last one was had",
		Why: "Each lock is short, but all of them are kept to the end of the transaction: while it waits for the second table nobody can use the first. An app that takes them in " +
			"another order makes it a deadlock.",
		Safe: "one file for each table",
		Bad:  "ALTER TABLE orders ADD COLUMN channel text;\nALTER TABLE customers ADD COLUMN channel text;",
		Good: []string{"ALTER TABLE orders ADD COLUMN channel text;", "ALTER TABLE customers ADD COLUMN channel text;"},
	}, {
		ID: "work-under-lock", Title: "Long work in a transaction that holds a lock", Severity: Warning, Dialects: postgresOnly(),
		Lock: accessExclusive, Blocks: "what the lock held before it blocks, for as long as this runs",
		Why:  "A short lock becomes a long one: it is kept to the end of the transaction, through the update, the validation or the copy that follows.",
		Safe: "the change of the table and the work in files of their own",
		Bad:  "ALTER TABLE orders ADD CONSTRAINT quantity_positive CHECK (quantity > 0) NOT VALID;\nALTER TABLE orders VALIDATE CONSTRAINT quantity_positive;",
		Good: []string{"ALTER TABLE orders ADD CONSTRAINT quantity_positive CHECK (quantity > 0) NOT VALID;", "ALTER TABLE orders VALIDATE CONSTRAINT quantity_positive;"},
	}, {
		ID: "table-rewrite", Title: "SET LOGGED, UNLOGGED, TABLESPACE or ACCESS METHOD", Severity: Warning, Dialects: postgresOnly(),
		Lock: accessExclusive, Blocks: blocksAll, Rewrites: true,
		Why:  "The whole table is copied under the lock.",
		Safe: "a new table that is filled in batches, or a time when nobody needs this one",
		Bad:  "ALTER TABLE orders SET UNLOGGED;",
		Good: []string{"CREATE UNLOGGED TABLE scratch (id bigint);"},
	}, {
		ID: "cluster", Title: "CLUSTER", Severity: Warning, Dialects: postgresOnly(),
		Lock: accessExclusive, Blocks: blocksAll, Rewrites: true,
		Why:  "The whole table is written anew, in the index's order, under the lock.",
		Safe: "pg_repack, or a time when nobody needs the table",
		Bad:  "CLUSTER orders USING orders_pkey;",
		Good: []string{"ALTER TABLE orders CLUSTER ON orders_pkey;"},
	}, {
		ID: "vacuum-full", Title: "VACUUM FULL", Severity: Warning, Dialects: postgresOnly(),
		Lock: accessExclusive, Blocks: blocksAll, Rewrites: true,
		Why:  "The whole table is written anew under the lock.",
		Safe: "plain VACUUM, which makes the room usable again; or pg_repack",
		Bad:  "VACUUM FULL orders;",
		Good: []string{"VACUUM orders;"},
	}, {
		ID: "refresh-without-concurrently", Title: "REFRESH MATERIALIZED VIEW without CONCURRENTLY", Severity: Warning, Dialects: postgresOnly(),
		Lock: accessExclusive, Blocks: "everything on the view, reads included", Rewrites: true,
		Why:  "Nobody can read the view until its query has run.",
		Safe: "REFRESH MATERIALIZED VIEW CONCURRENTLY; the view needs a unique index for that",
		Bad:  "REFRESH MATERIALIZED VIEW daily_orders;",
		Good: []string{"REFRESH MATERIALIZED VIEW CONCURRENTLY daily_orders;"},
	}, {
		ID: "lock-table", Title: "LOCK TABLE", Severity: Warning, Dialects: postgresOnly(),
		Lock: accessExclusive, Blocks: "what the mode says, until the end of the transaction",
		Why:  "The migration keeps others out on purpose, for as long as its transaction lasts.",
		Safe: "let each statement take the lock that it needs",
		Bad:  "LOCK TABLE orders;",
		Good: []string{"LOCK TABLE orders IN ROW EXCLUSIVE MODE;"},
	}, {
		ID: "attach-partition-scan", Title: "ATTACH PARTITION without a proof", Severity: Warning, Dialects: postgresOnly(),
		Lock: accessExclusive, Blocks: blocksAll + ", on the table that is attached",
		Why:  "Every row of it is checked against the bounds under the lock, unless a valid CHECK proves them.",
		Safe: "add a CHECK with the bounds NOT VALID, validate it in a later file, then attach",
		Bad:  "ALTER TABLE events ATTACH PARTITION events_2025 FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');",
		Good: []string{"ALTER TABLE events_2025 ADD CONSTRAINT bounds CHECK (at >= '2025-01-01' AND at < '2026-01-01') NOT VALID;",
			"ALTER TABLE events_2025 VALIDATE CONSTRAINT bounds;",
			"ALTER TABLE events ATTACH PARTITION events_2025 FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');"},
	}, {
		ID: "detach-without-concurrently", Title: "DETACH PARTITION without CONCURRENTLY", Severity: Warning, Dialects: postgresOnly(),
		Lock: accessExclusive, Blocks: blocksAll + ", on the parent",
		Why:  "Detaching is quick, but it has to wait for every query on the parent first, and all that come later wait behind it.",
		Safe: "DETACH PARTITION ... CONCURRENTLY, in a file of its own",
		Bad:  "ALTER TABLE events DETACH PARTITION events_2024;",
		Good: []string{"ALTER TABLE events DETACH PARTITION events_2024 CONCURRENTLY;"},
	}}
}
