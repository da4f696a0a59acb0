package lint

import "github.com/schemagate/schemagate/migrations"

const breaks = "nobody for long; the running release fails wherever it uses the old name"

func breakingRules() []Rule {
	return []Rule{{
		ID: "rename-table", Title: "A table renamed or moved outside of a contract migration", Severity: Warning, Dialects: everySQL(),
		Lock: accessExclusive, Blocks: breaks,
		Why:  "The release that still runs asks for the old name.",
		Safe: "make the new table or a view of the new name, move the code there, and drop the old one with phase=contract",
		Bad:  "ALTER TABLE customers RENAME TO clients;",
		Good: []string{"CREATE VIEW clients AS SELECT * FROM customers;"},
	}, {
		ID: "rename-column", Title: "A column renamed outside of a contract migration", Severity: Warning, Dialects: everySQL(),
		Lock: accessExclusive, Blocks: breaks,
		Why:  "The release that still runs asks for the old name.",
		Safe: "add the new column, write both, fill it in batches, read the new one, and drop the old one with phase=contract",
		Bad:  "ALTER TABLE customers RENAME COLUMN name TO full_name;",
		Good: []string{"ALTER TABLE customers ADD COLUMN full_name text;", "-- schemagate: phase=contract\nALTER TABLE customers DROP COLUMN name;"},
	}, {
		ID: "drop-table", Title: "A table dropped outside of a contract migration", Severity: Warning, Dialects: everySQL(),
		Lock: accessExclusive, Blocks: breaks,
		Why:  "The release that still runs may ask for it.",
		Safe: "first a release without it, then the same statement with phase=contract",
		Bad:  "DROP TABLE customers;",
		Good: []string{"-- schemagate: phase=contract\nDROP TABLE customers;"},
	}, {
		ID: "drop-column", Title: "A column dropped outside of a contract migration", Severity: Warning, Dialects: everySQL(),
		Lock: accessExclusive, Blocks: breaks,
		Why:  "The release that still runs may ask for it; many ORMs name every column that they know.",
		Safe: "first a release without it, then the same statement with phase=contract",
		Bad:  "ALTER TABLE customers DROP COLUMN name;",
		Good: []string{"-- schemagate: phase=contract\nALTER TABLE customers DROP COLUMN name;"},
	}, {
		ID: "enum-value-in-transaction", Title: "A new value of an enumeration used in its own transaction", Severity: Error, Dialects: postgresOnly(),
		Blocks: "the release: PostgreSQL refuses it (55P04)", Fails: "55P04",
		Why:  "A value that was added to a type is safe to use only after its transaction.",
		Safe: "add the value in a file of its own, and use it in a later one",
		Bad:  "ALTER TYPE order_status ADD VALUE 'refunded';\nALTER TABLE orders ALTER COLUMN status SET DEFAULT 'refunded';",
		Good: []string{"ALTER TYPE order_status ADD VALUE 'refunded';", "ALTER TABLE orders ALTER COLUMN status SET DEFAULT 'refunded';"},
	}}
}

func dataRules() []Rule {
	return []Rule{{
		ID: "unbatched-update", Title: "UPDATE of a whole table", Severity: Warning, Dialects: []migrations.Dialect{migrations.Postgres, migrations.MySQL},
		Lock: rowExclusive, Blocks: "every writer of a row, until the end of the transaction",
		Why: "Each row stays locked until the last one is written, the table grows by as much again, and a failure loses all of it. A WHERE that only joins or tests for NULL is " +
			"taken for the whole table.",
		Safe: "a backfill: batches, each in its own transaction",
		Bad:  "UPDATE orders SET channel_code = 0 WHERE channel_code IS NULL;",
		Good: []string{"-- schemagate: backfill table=orders key=id where=\"channel_code IS NULL\"\nUPDATE orders SET channel_code = 0 WHERE :batch;"},
	}, {
		ID: "unbatched-delete", Title: "DELETE of a whole table", Severity: Warning, Dialects: []migrations.Dialect{migrations.Postgres, migrations.MySQL},
		Lock: rowExclusive, Blocks: "every writer of a row, until the end of the transaction",
		Why:  "As for an UPDATE; and what the running release needs is gone.",
		Safe: "delete in batches, each in its own transaction",
		Bad:  "DELETE FROM orders;",
		Good: []string{"DELETE FROM orders WHERE id BETWEEN 1 AND 10000;"},
	}, {
		ID: "truncate", Title: "TRUNCATE", Severity: Warning, Dialects: []migrations.Dialect{migrations.Postgres, migrations.MySQL},
		Lock: accessExclusive, Blocks: blocksAll,
		Why:  "The rows are gone for the running release as well, and the way back can't restore them.",
		Safe: "delete in batches what nobody needs",
		Bad:  "TRUNCATE customers;",
		Good: []string{"DELETE FROM customers WHERE id BETWEEN 1 AND 10000;"},
	}}
}

func mysqlRules() []Rule {
	mysql := []migrations.Dialect{migrations.MySQL}
	const copies = "all writes, while the table is copied"
	return []Rule{{
		ID: "mysql-column-type", Title: "MySQL: another type for a column", Severity: Warning, Dialects: mysql, Blocks: copies,
		Why: "MODIFY and CHANGE copy the table (ALGORITHM=COPY). No warning for a VARCHAR that grows within 63 characters, or from there on. Newer MariaDB does more of it in place: " +
			"write ALGORITHM=INPLACE, LOCK=NONE to be told.",
		Safe: "add a column of the new type, write both, fill it in batches, and drop the old one in a contract migration",
		Bad:  "ALTER TABLE orders MODIFY quantity BIGINT;",
		Good: []string{"ALTER TABLE orders ADD COLUMN quantity_big BIGINT;"},
	}, {
		ID: "mysql-convert-charset", Title: "MySQL: CONVERT TO CHARACTER SET", Severity: Warning, Dialects: mysql, Blocks: copies,
		Why:  "Every text is written anew.",
		Safe: "set the default for new columns, and convert the old ones by new columns that are filled in batches",
		Bad:  "ALTER TABLE orders CONVERT TO CHARACTER SET utf8mb4;",
		Good: []string{"ALTER TABLE orders DEFAULT CHARACTER SET utf8mb4;"},
	}, {
		ID: "mysql-foreign-key", Title: "MySQL: a foreign key on a table with rows", Severity: Warning, Dialects: mysql, Blocks: copies,
		Why:  "With `foreign_key_checks` on, adding one copies the table.",
		Safe: "have the app keep the relation, or add it when nobody writes",
		Bad:  "ALTER TABLE orders ADD CONSTRAINT orders_customer_fkey FOREIGN KEY (customer_id) REFERENCES customers (id);",
		Good: []string{"ALTER TABLE orders ADD INDEX orders_customer_idx (customer_id);"},
	}, {
		ID: "mysql-fulltext-index", Title: "MySQL: a FULLTEXT or SPATIAL index", Severity: Warning, Dialects: mysql, Blocks: "all writes, while the index is built",
		Why:  "Unlike other indexes these can't be built while others write.",
		Safe: "build it when nobody writes",
		Bad:  "ALTER TABLE orders ADD FULLTEXT INDEX orders_note_idx (note);",
		Good: []string{"ALTER TABLE orders ADD INDEX orders_note_idx (note);"},
	}}
}

func setRules() []Rule {
	every := append(everySQL(), migrations.MongoDB)
	return []Rule{{
		ID: "missing-down", Title: "No way back", Severity: Info, Dialects: every,
		Blocks: "`schemagate down`, which refuses at this migration",
		Why:    "Without a down script an older release can't be put back on the older schema.",
		Safe:   "write one, even if it only says `SELECT 1` because nothing is to be undone",
	}, {
		ID: "no-statement", Title: "A migration of comments only", Severity: Info, Dialects: everySQL(),
		Blocks: "nobody",
		Why:    "It is applied, and does nothing, as one that was emptied is meant to. A change that was commented out for a while does nothing for ever.",
		Safe:   "write the change, or say in the comment why there is none",
		Bad:    "-- CREATE TABLE notes (id bigint PRIMARY KEY);",
		Good:   []string{"CREATE TABLE notes (id bigint PRIMARY KEY);"},
	}, {
		ID: "unused-ignore", Title: "A lint-ignore that silences nothing", Severity: Info, Dialects: every,
		Blocks: "nobody",
		Why:    "The statement was changed, or the comment stands at another one.",
		Safe:   "remove it",
		Bad:    "-- schemagate: lint-ignore truncate nobody reads it yet\nCREATE TABLE scratch (id bigint);",
		Good:   []string{"CREATE TABLE scratch (id bigint);"},
	}}
}
