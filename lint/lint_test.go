package lint_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"go.uber.org/goleak"

	"github.com/schemagate/schemagate/lint"
	"github.com/schemagate/schemagate/migrations"
	"github.com/schemagate/schemagate/test/servers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(servers.StopAfter(m)) }

// base is what every example and case finds: tables with rows, made by an earlier migration.
const base = `CREATE TYPE order_status AS ENUM ('new', 'paid');
CREATE DOMAIN percentage AS integer CHECK (VALUE BETWEEN 0 AND 100);
CREATE FUNCTION short_code() RETURNS text LANGUAGE sql AS $$ SELECT 'c' || floor(random() * 1000) $$;
CREATE FUNCTION fixed_code() RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'c' $$;
CREATE TABLE customers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text NOT NULL, name text);
CREATE TABLE orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id bigint NOT NULL,
    status order_status NOT NULL DEFAULT 'new',
    note varchar(50),
    amount numeric(10, 2),
    quantity integer,
    code text,
    short varchar,
    channel_code integer,
    placed_at timestamp(3) NOT NULL DEFAULT now(),
    CONSTRAINT amount_known CHECK (amount IS NOT NULL AND amount >= 0)
);
CREATE INDEX orders_note_idx ON orders (note);
CREATE TABLE events (at timestamptz NOT NULL, body text) PARTITION BY RANGE (at);
CREATE TABLE events_2024 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE events_2025 (at timestamptz NOT NULL, body text);
CREATE SCHEMA audit;
CREATE TABLE audit.log (id bigint PRIMARY KEY, line text);
INSERT INTO customers (email, name) SELECT 'c' || n, 'n' FROM generate_series(1, 3) n;
INSERT INTO orders (customer_id, note, amount, quantity, code, short) SELECT n, 'n', 1, 1, 'c' || n, 's' FROM generate_series(1, 3) n;
UPDATE orders SET placed_at = placed_at + id * interval '1 day';
INSERT INTO events VALUES ('2024-06-01', 'b');
INSERT INTO events_2025 VALUES ('2025-06-01', 'b');
INSERT INTO audit.log VALUES (1, 'l');
CREATE MATERIALIZED VIEW daily_orders AS SELECT id, count(*) FROM orders GROUP BY id;
CREATE UNIQUE INDEX daily_orders_key ON daily_orders (id);
`

// load parses files behind the base, each a migration with a way back.
func load(t *testing.T, d migrations.Dialect, files ...string) *migrations.Set {
	t.Helper()
	fsys := fstest.MapFS{}
	for i, text := range slices.Concat([]string{base}, files) {
		if i == 0 && d != migrations.Postgres {
			text = mysqlBase
		}
		fsys[fmt.Sprintf("%04d_m.up.sql", i+1)] = &fstest.MapFile{Data: []byte(text)}
		fsys[fmt.Sprintf("%04d_m.down.sql", i+1)] = &fstest.MapFile{Data: []byte("SELECT 1")}
	}
	set, err := migrations.Load(fsys, migrations.Options{Dialect: d, Phase: migrations.Expand})
	if err != nil {
		t.Fatalf("%q: %v", files, err)
	}
	return set
}

func run(t *testing.T, d migrations.Dialect, set *migrations.Set) *lint.Result {
	t.Helper()
	r, err := lint.Set(set, lint.Options{Dialect: d, Include: func(m migrations.Migration) bool { return m.Version != "0001" }})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// briefly is rule:line of each finding.
func briefly(fs []lint.Finding) (out []string) {
	for _, f := range fs {
		out = append(out, fmt.Sprintf("%s:%d", f.Rule, f.Line))
	}
	slices.Sort(out)
	return out
}

// TestCorpus holds every case against what is expected of it; on the servers, TestOnPostgres does.
func TestCorpus(t *testing.T) {
	n := 0
	for _, c := range corpus(t) {
		n++
		set := load(t, migrations.Postgres, c.files...)
		if got := briefly(run(t, migrations.Postgres, set).Findings); !slices.Equal(got, c.want) {
			t.Errorf("%s: found %q, want %q", c.name, got, c.want)
		}
	}
	if n < 60 {
		t.Errorf("%d cases, want at least 60", n)
	}
}

// TestRules: each has what its page needs, and every one for PostgreSQL is in the corpus.
func TestRules(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range corpus(t) {
		for _, w := range c.want {
			rule, _, _ := strings.Cut(w, ":")
			seen[rule] = true
		}
	}
	ids := map[string]bool{}
	for _, r := range lint.Rules() {
		if ids[r.ID] {
			t.Errorf("%s is there twice", r.ID)
		}
		ids[r.ID] = true
		if r.Title == "" || r.Blocks == "" || r.Why == "" || r.Safe == "" || len(r.Dialects) == 0 || r.ID != "missing-down" && (r.Bad == "" || len(r.Good) == 0) {
			t.Errorf("%s lacks a text", r.ID)
		}
		if slices.Contains(r.Dialects, migrations.Postgres) && r.ID != "missing-down" && !seen[r.ID] {
			t.Errorf("%s is in no case", r.ID)
		}
	}
	for id := range seen {
		if !ids[id] {
			t.Errorf("a case names the unknown rule %s", id)
		}
	}
}
