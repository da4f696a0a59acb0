package e2e

import (
	"bytes"
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/schemagate/schemagate/test/harness"
	"github.com/schemagate/schemagate/test/servers"
)

// Thirty replicas start at once on an empty database.
func TestThirtyReplicasOnAnEmptyDatabase(t *testing.T) {
	t.Parallel()
	s := stageOn(t, servers.Postgres(t).NewDatabase(t), numbered(5))
	harness.ExitAll(t, 0, s.StartMany(30, "up")...)
	s.appliedOnce(5)
	if n := s.Psql("select count(*) from schemagate_history where kind = 'complete'"); n != "1" {
		t.Errorf("%s complete events, want 1", n)
	}
	harness.Until(t, "no session of ours is left", func() bool { return s.sessions("") == "0" })
}

// Two first starts find no tables and make them at the same moment: a proxy lets neither make them before both are about to.
func TestTwoFirstStartsRace(t *testing.T) {
	t.Parallel()
	pg := servers.Postgres(t)
	proxy := servers.Proxy(t, pg.Addr())
	for round := range 20 {
		s := stageOn(t, pg.NewDatabase(t), numbered(1))
		look, tables := newMeeting(2), newMeeting(2)
		proxy.Intercept(func(d servers.Direction, data []byte) servers.Verdict {
			switch {
			case d == servers.ToServer && bytes.Contains(data, []byte("create table if not exists")):
				tables.meet(t.Context())
			case d == servers.ToServer && bytes.Contains(data, []byte("schemagate_fence")):
				look.meet(t.Context())
			}
			return servers.Forward
		})
		harness.ExitAll(t, 0, s.at(proxy.Through(s.URL)).StartMany(2, "up")...)
		s.appliedOnce(1)
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
}

// meeting lets nobody pass before all have come.
type meeting struct {
	missing atomic.Int64
	all     chan struct{}
}

func newMeeting(n int64) *meeting {
	m := &meeting{all: make(chan struct{})}
	m.missing.Store(n)
	return m
}

func (m *meeting) meet(ctx context.Context) {
	if m.missing.Add(-1) == 0 {
		close(m.all)
	}
	select {
	case <-m.all:
	case <-ctx.Done():
	}
}

// Followers look, disconnect and sleep; none of them holds a connection while it waits.
func TestFollowersHoldNoConnection(t *testing.T) {
	t.Parallel()
	pg := servers.SharedPostgres(t)
	// Without the leader's long-poll the sleeps are shorter.
	s := newStage(t, heldAt(2, 3)).with("SCHEMAGATE_HTTP_ADDR=off")
	open := s.closeBarrier()
	leader := s.Start("up")
	s.atBarrier(1)
	followers := make([]*harness.Replica, 3)
	proxies := make([]*servers.TCPProxy, len(followers))
	for i := range followers {
		proxies[i] = servers.Proxy(t, pg.Addr())
		followers[i] = s.at(proxies[i].Through(s.URL)).Start("up")
		followers[i].Await(harness.Msg("waiting"))
	}
	for _, p := range proxies {
		for range 2 { // not only once
			looks := p.Accepted()
			harness.Until(t, "a follower looks again", func() bool { return p.Accepted() > looks })
			harness.Until(t, "a follower has disconnected", func() bool { return p.Open() == 0 })
		}
	}
	harness.Until(t, "only the leader's sessions are left", func() bool { return s.sessions("") == s.sessions("/t1/") || s.sessions("/look") == "1" })
	open()
	harness.ExitAll(t, 0, append(followers, leader)...)
	s.appliedOnce(3)
}

// indexed is a set whose second migration builds an index without blocking anybody.
func indexed() harness.Files {
	return harness.Files{
		"0001_items.up.sql": "create table items (id int primary key, n int);\ninsert into items select g, g % 7 from generate_series(1, 500) g;\n",
		"0002_index.up.sql": "-- schemagate: no-transaction\ncreate index concurrently items_n on items (n);\n",
	}
}

// indexesAre checks names and validity of the indexes on items, in the order in which they were made.
func (s *stage) indexesAre(want string) {
	s.T.Helper()
	got := s.Psql("select string_agg(indexrelid::regclass::text || ' ' || indisvalid::text, ', ' order by indexrelid) " +
		"from pg_index where indrelid = 'items'::regclass and not indisprimary")
	if got != want {
		s.T.Errorf("the indexes are %q, want %q", got, want)
	}
}

// Waiters that hold a snapshot or a lock would deadlock with CREATE INDEX CONCURRENTLY. Twenty builds, over five starts.
func TestIndexBuiltConcurrentlyBeforeTenWaiters(t *testing.T) {
	t.Parallel()
	pg := servers.Postgres(t, servers.MaxConnections(200))
	f := indexed()
	for i := 3; i <= 5; i++ {
		f[fmt.Sprintf("%04d_index.up.sql", i)] = fmt.Sprintf("-- schemagate: no-transaction\ncreate unique index concurrently items_%d on items (id, (n + %d));\n", i, i)
	}
	for round := range 5 {
		s := stageOn(t, pg.NewDatabase(t), f)
		replicas := s.StartMany(11, "up")
		harness.ExitAll(t, 0, replicas...)
		s.indexesAre("items_n true, items_3 true, items_4 true, items_5 true")
		if got := s.applied(); got != "0001 0002 0003 0004 0005" {
			t.Errorf("applied %q", got)
		}
		for _, r := range replicas {
			r.NeverSays("deadlock", "interrupted")
		}
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
}

// The build waits for a transaction that is open for longer than the lock timeout, which does not count for it.
func TestIndexBuiltConcurrentlyBehindALongTransaction(t *testing.T) {
	t.Parallel()
	s := newStage(t, harness.Files{"0001_items.up.sql": indexed()["0001_items.up.sql"]})
	s.Up()
	release := holding(t, s.URL, "update items set n = n")
	s.Write(indexed())
	s = s.with("SCHEMAGATE_LOCK_TIMEOUT=100ms")
	replicas := s.StartMany(10, "up")
	harness.Until(t, "the build has waited for longer than the lock timeout", func() bool {
		return s.Psql("select count(*) from pg_stat_activity where datname = current_database() and application_name like '%/migrate' "+
			"and state = 'active' and wait_event_type = 'Lock' and clock_timestamp() - query_start > interval '500 ms'") == "1"
	})
	release()
	harness.ExitAll(t, 0, replicas...)
	s.indexesAre("items_n true")
	for _, r := range replicas {
		r.NeverSays("letting go", "deadlock")
	}
}

// A table lock that is not had in time is let go, so that others get through meanwhile, and is tried for again.
func TestTableLockIsLetGoAndTriedForAgain(t *testing.T) {
	t.Parallel()
	s := newStage(t, harness.Files{"0001_items.up.sql": indexed()["0001_items.up.sql"]})
	s.Up()
	release := holding(t, s.URL, "select count(*) from items")
	s.Write(harness.Files{"0002_note.up.sql": "alter table items add note text;\n"})
	s = s.with("SCHEMAGATE_LOCK_TIMEOUT=100ms")
	replicas := s.StartMany(2, "up")
	harness.Until(t, "the lock is waited for", func() bool {
		return s.Psql("select count(*) from pg_locks where not granted and relation = 'items'::regclass") == "1"
	})
	for range 3 { // the first of them queues behind the waiting ALTER
		if n := s.Psql("select count(*) from items"); n != "500" {
			t.Errorf("a reader got %s", n)
		}
	}
	harness.Until(t, "it was tried for again", func() bool {
		tries := 0
		for _, r := range replicas {
			lines, _ := r.Err.Grep(harness.Msg("a lock was not had in time; letting go and trying again"))
			tries += len(lines)
		}
		return tries >= 3
	})
	if got := s.applied(); got != "0001" {
		t.Errorf("applied %q while the table was locked", got)
	}
	release()
	harness.ExitAll(t, 0, replicas...)
	if got := s.applied(); got != "0001 0002" {
		t.Errorf("applied %q", got)
	}
	if got := s.events("failed"); got != "" {
		t.Errorf("a lock that was not had is recorded as a failure of %q", got)
	}
}

// A healthy leader keeps its lease for as long as its migration takes.
func TestLongMigrationIsNotTakenAway(t *testing.T) {
	t.Parallel()
	s := newStage(t, heldAt(2, 3)).with("SCHEMAGATE_LEASE_TTL=2s")
	open := s.closeBarrier()
	leader := s.Start("up")
	s.atBarrier(1)
	followers := s.StartMany(2, "up")
	for _, f := range followers {
		f.Await(harness.Msg("waiting"))
	}
	first := s.Psql("select renewed_at from schemagate_lease")
	harness.Until(t, "the lease was renewed for three TTLs", func() bool {
		return s.Psql(fmt.Sprintf("select renewed_at > timestamptz '%s' + interval '6 seconds' from schemagate_lease", first)) == "t"
	})
	open()
	harness.ExitAll(t, 0, append(followers, leader)...)
	s.appliedOnce(3)
	if got := s.term(); got != "1" {
		t.Errorf("it took %s terms", got)
	}
	leader.NeverSays("fenced")
}
