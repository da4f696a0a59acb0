package e2e

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/schemagate/schemagate/test/harness"
	"github.com/schemagate/schemagate/test/servers"
)

// proof is what `test --json` has of interest here.
type proof struct {
	Result, Database string
	Swept            []string
	Migrations       []struct {
		Version, File, Result string
		Reversible            bool
		DurationMS            float64 `json:"duration_ms"`
		Steps                 []struct {
			Step, Error string
			Differences []string
		}
	}
}

// of is all that a migration's steps say, and which they were.
func (p proof) of(t *testing.T, version string) (steps, says string) {
	t.Helper()
	for _, m := range p.Migrations {
		if m.Version != version {
			continue
		}
		for _, s := range m.Steps {
			steps += " " + s.Step
			if s.Error != "" {
				says += s.Step + ": " + s.Error + "\n"
			}
			for _, d := range s.Differences {
				says += s.Step + ": " + d + "\n"
			}
		}
		return m.Result + strings.ReplaceAll(steps, "up again", "again"), says
	}
	t.Fatalf("no migration %s in %+v", version, p)
	return "", ""
}

// The shop's 75 migrations lead up, down and up again, whatever is in the database of the URL, which is not touched.
func TestProveShop(t *testing.T) {
	t.Parallel()
	folder, err := filepath.Abs("../../examples/shop/migrations")
	if err != nil {
		t.Fatal(err)
	}
	s := newStage(t, nil)
	s.Dir = folder
	s.Psql("create table customers (taken int)")
	var p proof
	s.Expect(0, "test", "--json").JSON(&p)
	if p.Result != "passed" || p.Database != "PostgreSQL" || len(p.Migrations) < 75 {
		t.Errorf("%s on %s, %d migrations", p.Result, p.Database, len(p.Migrations))
	}
	for _, m := range p.Migrations {
		if steps, says := p.of(t, m.Version); steps != "passed up down again" || m.DurationMS <= 0 || says != "" {
			t.Errorf("%s: %s\n%s", m.File, steps, says)
		}
	}
	if got := s.Psql("select count(*) from pg_class where relname ~ '^(schemagate_|orders)'"); got != "0" {
		t.Error("the database of the URL was touched")
	}
}

// Every way in which a set can fail its proof is told with the migration, the step and what differs.
func TestProveTellsWhatIsWrong(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		files   harness.Files
		code    int
		version string
		steps   string
		says    []string
	}{
		"up fails": {harness.Files{"0002_x.up.sql": "select nope;\n", "0002_x.down.sql": "select 1;\n"}, 70, "0002", "failed up",
			[]string{`up: 0002_x.up.sql:1: column "nope" does not exist [42703]`}},
		"down fails": {harness.Files{"0002_x.up.sql": "create table b (n int);\n", "0002_x.down.sql": "drop table c;\n"}, 70, "0002", "failed up down",
			[]string{`down: 0002_x (down, from the history):1: table "c" does not exist`}},
		"down forgets": {harness.Files{"0002_x.up.sql": "create table b (n int primary key);\ncomment on table a is 'x';\n", "0002_x.down.sql": "drop table b;\ncreate index left_over on a (n);\ndrop function f;\n"}, 70, "0002", "failed up down",
			[]string{"down: + index public.left_over: CREATE INDEX left_over ON public.a USING btree (n)", "down: - function public.f()", "down: ~ table public.a: ", "comment 'x'"}},
		"not the same again": {harness.Files{"0002_x.up.sql": "do $$ begin execute format('create table t%s (n int)', txid_current()); end $$;\n",
			"0002_x.down.sql": "do $$ declare r regclass; begin for r in select oid from pg_class where relname ~ '^t[0-9]+$' loop execute 'drop table ' || r; end loop; end $$;\n"}, 70, "0002", "failed up down again",
			[]string{"up again: + table public.t", "up again: - table public.t"}},
		"not idempotent": {harness.Files{"0002_x.up.sql": "-- schemagate: idempotent\ncreate table b (n int);\n", "0002_x.down.sql": "drop table b;\n"}, 70, "0002", "failed up twice",
			[]string{`twice: 0002_x.up.sql:2: relation "b" already exists`}},
		"idempotent, it says": {harness.Files{"0002_x.up.sql": "-- schemagate: idempotent\ncreate index on a (n);\n", "0002_x.down.sql": "drop index a_n_idx, if exists a_n_idx1;\n"}, 70, "0002", "failed up twice down",
			[]string{"twice: + index public.a_n_idx1: ", "down: "}},
		"idempotent": {harness.Files{"0002_x.up.sql": "-- schemagate: idempotent\ncreate table if not exists b (n int);\n", "0002_x.down.sql": "drop table b;\n"}, 0, "0002", "passed up twice down again", nil},
		"fixture and check": {harness.Files{"0002_x.up.sql": "alter table a add m int;\nupdate a set m = n * 2;\n", "0002_x.down.sql": "alter table a drop m;\n",
			"0002_x.fixture.sql": "insert into a values (1), (2);\ncreate table helper (n int);\n", "0002_x.check.sql": "select sum(m) = 6 from a;\nselect m = n * 2 from a;\n"}, 0, "0002", "passed fixture up check down again", nil},
		"check fails": {harness.Files{"0002_x.up.sql": "alter table a add m int;\n", "0002_x.down.sql": "alter table a drop m;\n",
			"0002_x.fixture.sql": "insert into a values (1), (2);\n", "0002_x.check.sql": "select true;\n-- every one\nselect m is not null\n  from a;\n"}, 70, "0002", "failed fixture up check down again",
			[]string{"check: 0002_x.check.sql:3: ", "it does not hold: the answer is not true"}},
		"fixture fails": {harness.Files{"0001_a.fixture.sql": "insert into a values (1);\n"}, 70, "0001", "failed fixture", []string{`fixture: 0001_a.fixture.sql:1: relation "a" does not exist`}},
		"no way back":   {harness.Files{"0002_x.up.sql": "create table b (n int);\n", "0003_y.up.sql": "create table c (n int);\n", "0003_y.down.sql": "drop table c;\n"}, 0, "0002", "passed up again", nil},
		"behind one":    {harness.Files{"0002_x.up.sql": "create table b (n int);\n", "0003_y.up.sql": "create table c (n int);\n", "0003_y.down.sql": "create table d ();\n"}, 70, "0003", "failed up down", []string{"down: + table public.d"}},
		"before one":    {harness.Files{"0002_x.up.sql": "create table b (n int);\n"}, 0, "0001", "passed up down again again", nil},
		"verify":        {harness.Files{"0002_x.up.sql": "-- schemagate: verify=select false\ncreate table b (n int);\n"}, 70, "0002", "failed up", []string{"0002_x.up.sql:1: verify: it does not hold"}},
		"a contract comes last": {harness.Files{"0002_x.up.sql": "-- schemagate: phase=contract\nalter table a drop n;\n", "0002_x.down.sql": "alter table a add n int;\n",
			"0003_y.up.sql": "create index i on a (n);\n", "0003_y.down.sql": "drop index i;\n"}, 70, "0002", "failed up down", []string{"down: - index public.i"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, harness.Files{"0001_a.up.sql": "create table a (n int);\ncreate function f() returns int language sql as 'select 1';\n", "0001_a.down.sql": "drop function f;\ndrop table a;\n"}.And(c.files))
			var p proof
			s.Expect(c.code, "test", "--json").JSON(&p)
			steps, says := p.of(t, c.version)
			if !strings.HasPrefix(steps, c.steps) || c.code == 0 && steps != c.steps {
				t.Errorf("steps %q, want %q", steps, c.steps)
			}
			for _, want := range c.says {
				if !strings.Contains(says, want) {
					t.Errorf("it does not say %q:\n%s", want, says)
				}
			}
			if c.code == 0 && says != "" {
				t.Errorf("it says\n%s", says)
			}
			text := s.Expect(c.code, "test").Out.Text()
			for _, want := range append(c.says, "migrations on PostgreSQL in") {
				if _, want, _ = strings.Cut(want, ": "); !strings.Contains(text, want) {
					t.Errorf("the text does not say %q:\n%s", want, text)
				}
			}
		})
	}
}

// A broken set is found before anything is made; what a crash leaves is dropped a day later, and what a signal ends at once.
func TestProveLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	s := stageOn(t, servers.Postgres(t).NewDatabase(t), harness.Files{"0001_a.up.sql": "create table a (n int);\n"})
	for says, f := range map[string]harness.Files{
		"0001_a.check.js: is of another language": {"0001_a.check.js": "exports.check = async db => {}\n"},
		"0001_a.fixture.sql:1: COMMIT":            {"0001_a.fixture.sql": "commit;\n"},
		"0001_a.check.sql: is empty":              {"0001_a.check.sql": "\n"},
		"0009_z.check.sql: belongs to no":         {"0009_z.check.sql": "select true;\n"},
	} {
		s.folder(harness.Files{"0001_a.up.sql": "create table a (n int);\n"}.And(f)).Expect(65, "test").Says(says)
	}
	s.with("SCHEMAGATE_COMMAND=true").Expect(64, "test").Says("SCHEMAGATE_COMMAND")

	role := newRole(t, s.URL, "login")
	s.at(strings.Replace(s.URL, "postgres@", role+"@", 1)).Expect(78, "test").Says("permission denied to create database", "ALTER ROLE", role, "CREATEDB")

	old := "schemagate_scratch_20200101t000000_" + role[len(role)-6:]
	s.Psql(`create database "` + old + `"`)
	var p proof
	s.Expect(0, "test", "--json").JSON(&p)
	if !strings.Contains(strings.Join(p.Swept, " "), old) {
		t.Errorf("swept %v, want %s", p.Swept, old)
	}

	slow := s.folder(harness.Files{"0001_slow.up.sql": "create table " + role + " (n int);\nselect pg_sleep(600) as " + role + ";\n"})
	r := slow.Start("test")
	harness.Until(t, "the migration runs", func() bool {
		return s.Psql("select count(*) from pg_stat_activity where query ~ 'sleep.*"+role+"' and state = 'active' and pid <> pg_backend_pid()") == "1"
	})
	name := s.Psql("select datname from pg_stat_activity where query ~ 'sleep.*" + role + "' and pid <> pg_backend_pid()")
	r.Signal(15)
	r.Exits(143)
	for _, name := range []string{name, old} {
		if got := s.Psql("select count(*) from pg_database where datname = '" + name + "'"); got != "0" {
			t.Errorf("%s is still there", name)
		}
	}
}
