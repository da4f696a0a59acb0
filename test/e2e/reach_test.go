package e2e

import (
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/schemagate/schemagate/test/harness"
	"github.com/schemagate/schemagate/test/servers"
)

// A database that is not up yet is waited for; so is one that is still starting, or has no connection to spare.
func TestDatabaseIsWaitedFor(t *testing.T) {
	t.Parallel()
	pg := servers.Postgres(t, servers.MaxConnections(8))
	s := stageOn(t, pg.NewDatabase(t), numbered(2))

	pg.Stop(servers.Fast)
	replicas := s.StartMany(3, "up")
	for _, r := range replicas {
		r.Await(harness.Msg("database not reached, waiting for it"))
	}
	pg.Start()
	harness.ExitAll(t, 0, replicas...)
	s.appliedOnce(2)

	t.Log("too many clients")
	s.Write(harness.Files{"0003_step.up.sql": traceOf(3)})
	var all []*pgx.Conn
	for {
		conn, err := pgx.Connect(t.Context(), s.URL)
		if err != nil {
			break
		}
		all = append(all, conn)
	}
	r := s.Start("up")
	if line := r.Await(harness.Msg("database not reached, waiting for it")); !strings.Contains(line, "too many clients already [53300]") {
		t.Errorf("it says %s", line)
	}
	for _, conn := range all {
		_ = conn.Close(t.Context())
	}
	r.Exits(0)
	s.appliedOnce(3)
}

// The crowd outnumbers the server's connections, and nobody gives up for it.
func TestMoreReplicasThanConnections(t *testing.T) {
	t.Parallel()
	pg := servers.Postgres(t, servers.MaxConnections(9))
	s := stageOn(t, pg.NewDatabase(t), numbered(3))
	replicas := s.StartMany(16, "up")
	harness.ExitAll(t, 0, replicas...)
	s.appliedOnce(3)
}

// A connection that breaks at any point of a start, before the server has read a request or before its answer has arrived, is
// made again, and nothing is done twice.
func TestConnectionsThatBreak(t *testing.T) {
	t.Parallel()
	s := newStage(t, numbered(3))
	proxy := servers.Proxy(t, servers.SharedPostgres(t).Addr())
	for name, part := range map[string]string{
		"look": "schemagate_fence", "make the tables": "create table if not exists", "campaign": `update "public".schemagate_lease set holder = $2`,
		"mint": "set term = term + 1", "apply": "'applied', E'0002'", "complete": "E'complete'", "resign": "set holder = ''",
	} {
		for _, lost := range []servers.Direction{servers.ToServer, servers.ToClient} {
			t.Run(name+map[servers.Direction]string{servers.ToServer: ", request", servers.ToClient: ", answer"}[lost], func(t *testing.T) {
				s := s.at(servers.SharedPostgres(t).NewDatabase(t))
				var asked, cut atomic.Bool
				proxy.Intercept(func(d servers.Direction, data []byte) servers.Verdict {
					if d == servers.ToServer && strings.Contains(string(data), part) {
						asked.Store(true)
					}
					if d == lost && asked.Load() && cut.CompareAndSwap(false, true) {
						return servers.Cut
					}
					return servers.Forward
				})
				s.at(proxy.Through(s.URL)).Up()
				if !cut.Load() {
					t.Errorf("nothing was sent that holds %q", part)
				}
				s.appliedOnce(3)
			})
		}
	}
}

// What trying again can't change is told at once.
func TestAccessThatIsDenied(t *testing.T) {
	t.Parallel()
	pg := servers.Postgres(t, servers.Password("right one"))
	s := stageOn(t, pg.NewDatabase(t), numbered(2)).with("SCHEMAGATE_TIMEOUT=0")
	as := func(user, password string) *stage {
		return s.at(strings.Replace(s.URL, "postgres:right%20one@", user+":"+password+"@", 1))
	}

	t.Log("password, user and database that are not there")
	as("postgres", "wrong").Expect(78, "up").Says("password authentication failed", "[28P01]")
	as("nobody", "wrong").Expect(78, "up").Says("[28P01]")
	base, _, _ := strings.Cut(s.URL, "/test_")
	s.at(base+"/nowhere?sslmode=disable").Expect(78, "up").Says(`database "nowhere" does not exist`, "[3D000]")

	t.Log("a role that may not make our tables")
	s.Psql("create role app login password 'app password'; create role stranger login password 'another one'; revoke create on schema public from public")
	r := as("app", "app%20password").Expect(78, "up")
	r.Says("privileges are missing, and nothing was changed", "GRANT CREATE ON SCHEMA public TO app")
	s.Psql("grant create on schema public to app")
	as("app", "app%20password").Up()
	s.appliedOnce(2)

	t.Log("a role that may not read them")
	r = as("stranger", "another%20one").Expect(78, "wait")
	r.Says("permission denied", "GRANT SELECT ON the schemagate_ tables", `TO "stranger"`)

	t.Log("a role that may not do what a migration does is told beforehand; what can't be foreseen is the migration's failure")
	s.Psql("create table theirs (n int)")
	s.Write(harness.Files{"0003_theirs.up.sql": "drop table theirs;\n"})
	as("app", "app%20password").Expect(78, "up").Says("privileges are missing, and nothing was changed", "0003_theirs.up.sql:1", "ALTER TABLE theirs OWNER TO app")
	s.Write(harness.Files{"0003_theirs.up.sql": "do $$ begin execute 'drop table theirs'; end $$;\n"})
	as("app", "app%20password").Expect(70, "up").Says("0003_theirs.up.sql:1: must be owner of table theirs [42501]")
}

// Waiting ends with the timeout: 69 where the database did not answer, 75 where it did.
func TestTimeouts(t *testing.T) {
	t.Parallel()
	s := newStage(t, heldAt(2, 2))
	quick := s.with("SCHEMAGATE_TIMEOUT=1s")
	port := harness.FreePort(t)
	quick.at("postgres://nobody@"+port+"/none?sslmode=disable").Expect(69, "up").Says("timed out for 1s", "connection refused")

	t.Log("a server that accepts and never answers")
	silent, err := net.Listen("tcp", harness.FreePort(t))
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	quick.at("postgres://nobody@"+silent.Addr().String()+"/none?sslmode=disable&connect_timeout=1").Expect(69, "up").Says("timed out")

	t.Log("nobody is there to migrate")
	quick.Expect(75, "wait").Says("timed out after 1s: nobody completed the set")

	t.Log("somebody is, and takes longer; its migration is not cut")
	open := s.closeBarrier()
	leader := s.with("SCHEMAGATE_TIMEOUT=4s", "SCHEMAGATE_REPLICA=slow").Start("up")
	s.atBarrier(1)
	quick.Expect(75, "up").Says("timed out after 1s: slow is still leading; raise SCHEMAGATE_TIMEOUT")
	harness.Until(t, "the migration has run for longer than the timeout", func() bool {
		return s.Psql("select clock_timestamp() - xact_start > interval '5 seconds' from pg_stat_activity "+
			"where datname = current_database() and application_name like '%/migrate'") == "t"
	})
	open()
	leader.Exits(0)
	s.appliedOnce(2)
}

// A lock that is never had ends in the timeout, too.
func TestLockThatIsNeverHad(t *testing.T) {
	t.Parallel()
	s := newStage(t, harness.Files{"0001_items.up.sql": indexed()["0001_items.up.sql"]})
	s.Up()
	holding(t, s.URL, "lock table items")
	s.Write(harness.Files{"0002_note.up.sql": "alter table items add note text;\n"})
	s.with("SCHEMAGATE_LOCK_TIMEOUT=50ms", "SCHEMAGATE_TIMEOUT=5s").Expect(75, "up").Says("0002_note.up.sql:1: canceling statement due to lock timeout")
	if got := s.events("failed"); got != "" {
		t.Errorf("%q is recorded as failed", got)
	}
}
