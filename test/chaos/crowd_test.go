package chaos

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/schemagate/schemagate/test/harness"
	"github.com/schemagate/schemagate/test/servers"
)

const endsBackends = "pg_terminate_backend"

// Behind a transaction pooler a backend is anyone's. Whether that was found out or said, nobody's is ended.
func TestPooler(t *testing.T) {
	pg := servers.Postgres(t, servers.Setting("log_statement", "all"))
	bouncer := servers.PgBouncer(t, pg, servers.TransactionPooling)
	for name, env := range map[string][]string{"detected": nil, "said": {"SCHEMAGATE_POOLED=true"}} {
		t.Run("twenty replicas, "+name, func(t *testing.T) {
			url := pg.NewDatabase(t)
			s := withEffects(t, url, effects(6, 0), env...)
			harness.ExitAll(t, 0, s.at(bouncer.Through(url)).StartMany(20, "up")...)
			s.appliedOnce(6)
		})
		t.Run("leader killed, "+name, func(t *testing.T) {
			url := pg.NewDatabase(t)
			s := withEffects(t, url, effects(4, 2), env...)
			pooled := s.at(bouncer.Through(url))
			open := s.closeBarrier()
			leader := pooled.with("SCHEMAGATE_REPLICA=first").Start("up")
			s.atBarrier()
			followers := pooled.StartMany(2, "up")
			followers[0].Await(harness.Msg("waiting"))
			leader.Kill()
			harness.Until(t, "somebody takes over", func() bool {
				return followers[0].Count(harness.Msg("elected"))+followers[1].Count(harness.Msg("elected")) > 0
			})
			open() // the dead one's statement, should the pooler have kept it, ends by itself
			harness.ExitAll(t, 0, followers...)
			s.appliedOnce(4)
			for _, f := range followers {
				if f.Count("presence is gone") > 0 {
					t.Errorf("it says so of a backend that is anyone's: %s", f)
				}
			}
		})
		t.Run("a session is needed, "+name, func(t *testing.T) {
			url := pg.NewDatabase(t)
			s := withEffects(t, url, set(), env...)
			r := s.at(bouncer.Through(url)).Start("up")
			r.Exits(78)
			r.Says("0003_index.up.sql", "transaction pooler", "direct address")
			if got := s.Psql("SELECT string_agg(version, ' ' ORDER BY version) FROM effects"); got != "0001 0002" {
				t.Errorf("in force are %q", got)
			}
			s.with("SCHEMAGATE_POOLED=").Start("up").Exits(0) // by the direct address
			s.appliedOnce(versions)
		})
	}
	t.Run("said of a server without one", func(t *testing.T) {
		s := withEffects(t, pg.NewDatabase(t), set(), "SCHEMAGATE_POOLED=true")
		s.Start("up").Exits(78)
	})
	if strings.Contains(pg.Log(), endsBackends) {
		t.Error("a backend was ended")
	}
	if !strings.Contains(pg.Log(), "schemagate_fence set term") {
		t.Error("the server's log does not show statements")
	}
}

// Hundreds of replicas start at once at a server with fewer connections than that. Each looks, disconnects and waits.
func TestHundredsOfReplicas(t *testing.T) {
	t.Run("database", func(t *testing.T) { crowd(t) })
	t.Run("Consul", func(t *testing.T) { crowd(t, elect(servers.Consul(t).Addr())) })
}

func crowd(t *testing.T, env ...string) {
	n, connections := 100, 40
	read(t, "SCHEMAGATE_TEST_HERD", func(v string) (err error) {
		n, err = strconv.Atoi(v)
		connections = max(40, n/3)
		return err
	})
	pg := servers.Postgres(t, servers.MaxConnections(connections))
	f := effects(4, 0)
	f["0003_step.up.sql"] = effect(3) + ";\nSELECT pg_sleep(6);\n"
	url := pg.NewDatabase(t)
	s := withEffects(t, url, f, append(env, "SCHEMAGATE_LEASE_TTL=15s", "GOMAXPROCS=1")...)
	ctx, cancel := context.WithCancel(context.Background())
	conn, err := pgconn.Connect(ctx, url) // before they take them all
	if err != nil {
		t.Fatal(err)
	}
	var sampler sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		sampler.Wait()
		_ = conn.Close(context.Background())
	})
	replicas := s.Running(harness.Plain(t)).StartMany(n, "up")
	waiting := make(chan struct{}) // closed when each has had its first look
	samples, most := 0, 0
	sampler.Go(func() {
		for ctx.Err() == nil {
			res, err := conn.Exec(ctx, "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'schemagate/%'").ReadAll()
			if err != nil {
				return
			}
			select {
			case <-waiting:
				count, _ := strconv.Atoi(string(res[0].Rows[0][0]))
				samples, most = samples+1, max(most, count)
			default:
			}
			select {
			case <-time.After(20 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	})
	for _, r := range replicas { // all but the leader, and those whose first look came after the end
		looked := func() bool { return r.Count(harness.Msg("waiting"))+r.Count(harness.Msg("elected")) > 0 || r.Ended() }
		harness.Until(t, "everyone has looked", looked)
	}
	close(waiting)
	harness.ExitAll(t, 0, replicas...)
	cancel()
	sampler.Wait()
	s.appliedOnce(4)
	// How many at once depends on how fast the machine is: bench tells. That all of them open, where those who held a
	// connection while they wait would have been refused one, does not.
	t.Logf("%d replicas, %d connections: at most %d at once in %d samples after everyone's first look", n, connections, most, samples)
	if got := s.Psql("SELECT count(*) FROM schemagate_history WHERE kind = 'complete'"); got != "1" {
		t.Errorf("%s complete events, want 1", got)
	}
}
