package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/schemagate/schemagate/lint"
	"github.com/schemagate/schemagate/migrations"
)

const lintIntro = "# Lint\n\nMade from the code. `schemagate lint` reads the migrations and warns of what blocks a busy table or breaks the release that still runs:\n" +
	"where, which lock it takes, what that blocks, and how to write it so that nobody waits.\n\n" +
	"```sh\n" +
	"schemagate lint                                # every migration of the folder; connects to nothing\n" +
	"schemagate lint --since 0041                   # only what comes after 0041\n" +
	"schemagate lint --database                     # only what is pending in the database\n" +
	"schemagate lint --fail-on error --json         # exit 65 only for what would fail; JSON\n" +
	"schemagate lint --sarif                        # SARIF 2.1.0, for code hosts and editors\n" +
	"```\n\n" +
	"Exit codes: 0 nothing at or above `--fail-on` (`info`, `warning`, `error`; default `warning`), 65 findings or a set that does not parse, 64 wrong usage.\n" +
	"Without a database URL the files are PostgreSQL's; one that begins with `mysql://` or `sqlite:` tells another dialect, and is not connected to.\n\n" +
	"**In CI**, for the migrations that a pull request adds (GitHub):\n\n" +
	"```yaml\n" +
	"jobs:\n" +
	"  migrations:\n" +
	"    runs-on: ubuntu-latest\n" +
	"    permissions: {contents: read, security-events: write}\n" +
	"    container: ghcr.io/your-org/schemagate-ci # your image, with schemagate and git in it\n" +
	"    env: {SCHEMAGATE_MIGRATIONS: migrations}\n" +
	"    steps:\n" +
	"      - uses: actions/checkout@v4\n" +
	"      - run: schemagate lint --since 0041 --sarif > lint.sarif # 0041: the last one in production\n" +
	"      - if: always()\n" +
	"        uses: github/codeql-action/upload-sarif@v3\n" +
	"        with: {sarif_file: lint.sarif}\n" +
	"```\n\n" +
	"**Silence** a finding with a reason, before its statement or, for all of the file, at its head:\n\n" +
	"```sql\n" +
	"-- schemagate: lint-ignore index-without-concurrently ten rows, and always will be\n" +
	"CREATE INDEX countries_name_idx ON countries (name);\n" +
	"```\n\n" +
	"A missing reason and an unknown rule are errors. The comment is part of the checksum: write it before the migration is applied; for what is applied\n" +
	"already there are `--since` and `--database`.\n\n" +
	"**What it goes by** is the text of the set. A table that the same file has made is not busy. What a function, a procedure or a `DO` block does is not\n" +
	"read. Every lock, even a short one, waits for the queries that are there and keeps out those that come later; `SCHEMAGATE_LOCK_TIMEOUT` (5 s) bounds\n" +
	"that, and the migration is tried again. `CONCURRENTLY` among other statements in a file is refused before lint sees it: it can't run in a transaction.\n" +
	"With `SCHEMAGATE_TRANSACTION=release` the files share one transaction; each is judged by itself all the same.\n\n" +
	"Each example for PostgreSQL was run on PostgreSQL 15 and compared with `pg_locks`, those for MySQL on MariaDB 10.11. They suppose tables `orders`,\n" +
	"`customers`, the partitioned `events`, the domain `percentage`, and that each file is a migration of its own.\n"

// TestPagesOfLint keeps docs/lint.md equal to the rules.
func TestPagesOfLint(t *testing.T) {
	var b strings.Builder
	b.WriteString(lintIntro)
	b.WriteString("\n| rule | severity | lock on PostgreSQL | blocks |\n| --- | --- | --- | --- |\n")
	for _, r := range lint.Rules() {
		fmt.Fprintf(&b, "| [%s](#%s) | %s | %s | %s |\n", r.ID, r.ID, r.Severity, r.Lock, r.Blocks)
	}
	for _, r := range lint.Rules() {
		fmt.Fprintf(&b, "\n## %s\n\n%s (%s; %s).", r.ID, r.Title, r.Severity, dialects(r))
		if r.Lock != "" {
			fmt.Fprintf(&b, " PostgreSQL: `%s`.", r.Lock)
		}
		fmt.Fprintf(&b, " Blocks %s.", r.Blocks)
		if r.Rewrites {
			b.WriteString(" Writes the whole table anew.")
		}
		fmt.Fprintf(&b, "\n\n%s\n\n", r.Why)
		if r.Bad != "" {
			fmt.Fprintf(&b, "```sql\n%s\n```\n\n", r.Bad)
		}
		fmt.Fprintf(&b, "**Safe:** %s.\n", r.Safe)
		if len(r.Good) > 0 {
			fmt.Fprintf(&b, "\n```sql\n%s\n```\n", strings.Join(r.Good, "\n\n-- the next file\n"))
		}
	}
	page(t, "lint.md", b.String())
}

func dialects(r lint.Rule) string {
	names := map[migrations.Dialect]string{migrations.Postgres: "PostgreSQL", migrations.MySQL: "MySQL", migrations.SQLite: "SQLite", migrations.MongoDB: "MongoDB"}
	var list []string
	for _, d := range r.Dialects {
		list = append(list, names[d])
	}
	return strings.Join(list, ", ")
}
