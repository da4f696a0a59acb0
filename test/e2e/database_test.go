package e2e

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/schemagate/schemagate/test/harness"
	"github.com/schemagate/schemagate/test/servers"
)

// barrier is a migration's way to wait for the test, which holds advisory lock 7 meanwhile. Lock timeouts count for it, too.
const barrier = "select pg_advisory_xact_lock(7);\n"

// patient is the directive for a migration that may wait at the barrier.
const patient = "-- schemagate: lock_timeout=0\n"

// numbered is a set of n migrations, each of which leaves a trace that can be counted.
func numbered(n int) harness.Files {
	f := harness.Files{
		"0001_tally.up.sql":   "create table tally (version text);\ninsert into tally values ('0001');\n",
		"0001_tally.down.sql": "drop table tally;\n",
	}
	for i := 2; i <= n; i++ {
		f[fmt.Sprintf("%04d_step.up.sql", i)] = traceOf(i)
		f[fmt.Sprintf("%04d_step.down.sql", i)] = fmt.Sprintf("delete from tally where version = '%04d';\n", i)
	}
	return f
}

func traceOf(i int) string { return fmt.Sprintf("insert into tally values ('%04d');\n", i) }

// heldAt is a numbered set whose migration k waits at the barrier, after it left its trace.
func heldAt(k, n int) harness.Files {
	return numbered(n).And(harness.Files{fmt.Sprintf("%04d_step.up.sql", k): patient + traceOf(k) + barrier})
}

// appliedOnce checks, by the traces and by the history, that 1..n are in force and that each was applied once.
func (s *stage) appliedOnce(n int) {
	s.T.Helper()
	want := make([]string, n)
	for i := range want {
		want[i] = fmt.Sprintf("%04d", i+1)
	}
	all := strings.Join(want, " ")
	if got := s.Psql("select string_agg(version, ' ' order by version) from tally"); got != all {
		s.T.Errorf("the migrations left the traces %q, want %q", got, all)
	}
	if got := s.applied(); got != all {
		s.T.Errorf("the history says that %q were applied, want %q", got, all)
	}
}

// applied lists the versions of the history's applied events.
func (s *stage) applied() string {
	s.T.Helper()
	return s.events("applied")
}

// events lists the versions of the history's events of a kind, in order.
func (s *stage) events(kind string) string {
	s.T.Helper()
	return s.Psql("select coalesce(string_agg(version, ' ' order by id), '') from schemagate_history where kind = '" + kind + "'")
}

func (s *stage) term() string {
	s.T.Helper()
	return s.Psql("select term from schemagate_fence")
}

// holding runs SQL in a transaction that stays open until the returned function is called.
func holding(t *testing.T, url, sql string) (release func()) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.PgConn().Exec(ctx, "begin; "+sql).ReadAll(); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	over := false
	release = func() {
		if !over {
			over = true
			_, _ = conn.PgConn().Exec(ctx, "commit").ReadAll() // the test may have ended the server
			_ = conn.Close(ctx)
		}
	}
	t.Cleanup(release)
	return release
}

// closeBarrier makes migrations wait at the barrier until the returned function is called.
func (s *stage) closeBarrier() (open func()) {
	s.T.Helper()
	return holding(s.T, s.URL, barrier)
}

// atBarrier waits until n sessions wait at the barrier, and names their process ids.
func (s *stage) atBarrier(n int) string {
	s.T.Helper()
	pids := ""
	harness.Until(s.T, fmt.Sprintf("%d session(s) wait at the barrier", n), func() bool {
		out := s.Psql("select count(*), coalesce(string_agg(pid::text, ' '), '') from pg_locks where locktype = 'advisory' and not granted " +
			"and database = (select oid from pg_database where datname = current_database())")
		count, list, _ := strings.Cut(out, "|")
		pids = list
		return count == fmt.Sprint(n)
	})
	return pids
}

// sessions counts schemagate's sessions in the database whose application name holds the text.
func (s *stage) sessions(part string) string {
	s.T.Helper()
	return s.Psql("select count(*) from pg_stat_activity where datname = current_database() and application_name like 'schemagate/%" + part + "%'")
}

func (s *stage) pidGone(pid string) bool {
	s.T.Helper()
	return s.Psql("select count(*) from pg_stat_activity where pid = "+pid) == "0"
}

var dumpNoise = regexp.MustCompile(`(?m)^(--.*|\\(un)?restrict .*|)\n`)

// dump is the database as pg_dump writes it, without our own tables' rows unless asked for.
func (s *stage) dump(options ...string) string {
	s.T.Helper()
	return dump(s.T, s.URL, options...)
}

// withoutUs leaves our tables out; withoutOurRows keeps their definitions.
const (
	withoutUs      = "--exclude-table=schemagate_*"
	withoutOurRows = "--exclude-table-data=schemagate_*"
)

func dump(t *testing.T, url string, options ...string) string {
	t.Helper()
	out, err := exec.Command("pg_dump", append(options, "--dbname="+url)...).Output()
	if err != nil {
		t.Fatalf("pg_dump: %v", err)
	}
	return dumpNoise.ReplaceAllString(string(out), "")
}

// sameText fails with the first line that differs.
func sameText(t *testing.T, what, got, want string) {
	t.Helper()
	if got == want {
		return
	}
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(g), len(w)) {
		if i >= len(g) || i >= len(w) || g[i] != w[i] {
			t.Errorf("%s: line %d differs\ngot:  %s\nwant: %s", what, i+1, strings.Join(g[min(i, len(g)):min(i+5, len(g))], "\n      "),
				strings.Join(w[min(i, len(w)):min(i+5, len(w))], "\n      "))
			return
		}
	}
}

// newRole makes a role of the test's own on the shared server; it goes after the test, with all that it owns.
func newRole(t *testing.T, url, options string) string {
	t.Helper()
	name := fmt.Sprintf("e2e_%s", strings.ToLower(servers.Psql(t, url, "select substr(md5(random()::text), 1, 10)")))
	servers.Psql(t, url, "create role "+name+" "+options)
	t.Cleanup(func() {
		servers.Psql(t, url, "drop owned by "+name)
		servers.Psql(t, url, "drop role "+name)
	})
	return name
}
