package chaos

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/schemagate/schemagate/test/harness"
	"github.com/schemagate/schemagate/test/servers"
)

const barrier = "SELECT pg_advisory_xact_lock(4711)"

// effects is a set of n migrations that leave a row each; the k-th (0: none) waits at the barrier inside its transaction.
func effects(n, k int) harness.Files {
	f := harness.Files{}
	for i := 1; i <= n; i++ {
		text := effect(i) + ";\n"
		if i == k {
			text = "-- schemagate: lock_timeout=10m\n" + text + barrier + ";\n"
		}
		f[version(i)+"_step.up.sql"] = text
	}
	return f
}

// withEffects makes a stage with the table that the migrations write to.
func withEffects(t *testing.T, url string, f harness.Files, env ...string) *stage {
	t.Helper()
	s := newStage(t, url, f, env...)
	s.Psql("CREATE TABLE effects (version text)")
	return s
}

// appliedOnce checks that 1..n are in force, each once, by their effects and by the history, and that terms never went back.
func (s *stage) appliedOnce(n int) {
	s.T.Helper()
	all := make([]string, n)
	for i := range all {
		all[i] = version(i + 1)
	}
	want := strings.Join(all, " ")
	for _, sql := range []string{
		"SELECT string_agg(version, ' ' ORDER BY version) FROM effects",
		"SELECT string_agg(version, ' ' ORDER BY id) FROM schemagate_history WHERE kind = 'applied' AND version <> ''",
	} {
		if got := s.Psql(sql); got != want {
			s.T.Errorf("%q, want %q, by %s", got, want, sql)
		}
	}
	if got := s.Psql("SELECT count(*) FROM schemagate_history a JOIN schemagate_history b ON b.id > a.id AND b.term < a.term"); got != "0" {
		s.T.Errorf("terms went back %s times", got)
	}
	if got := s.Psql("SELECT count(*) FROM schemagate_history WHERE kind = 'failed'"); got != "0" {
		s.T.Errorf("%s failures are recorded", got)
	}
}

// closeBarrier keeps whoever comes to the barrier there, until it is opened.
func (s *stage) closeBarrier() (open func()) {
	s.T.Helper()
	ctx := context.Background()
	conn, err := pgconn.Connect(ctx, s.URL)
	if err != nil {
		s.T.Fatal(err)
	}
	s.T.Cleanup(func() { _ = conn.Close(ctx) })
	if _, err := conn.Exec(ctx, "BEGIN; "+barrier).ReadAll(); err != nil {
		s.T.Fatal(err)
	}
	return func() { _ = conn.Close(ctx) }
}

// atBarrier waits until one session waits at the barrier that is none of those before, and names its process id.
func (s *stage) atBarrier(before ...string) (pid string) {
	s.T.Helper()
	harness.Until(s.T, "a session waits at the barrier", func() bool {
		pid = s.Psql("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted " +
			"AND database = (SELECT oid FROM pg_database WHERE datname = current_database())")
		for _, old := range before {
			if pid == old {
				return false
			}
		}
		return pid != "" && !strings.Contains(pid, "\n")
	})
	return pid
}

// elect points a stage at a Consul, or at a proxy to one.
func elect(addr string) string { return "SCHEMAGATE_ELECTION=consul://" + addr + "/chaos" }

func fresh(t *testing.T) string {
	t.Helper()
	return servers.SharedPostgres(t).NewDatabase(t)
}
