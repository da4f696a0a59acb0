package electiontest

import (
	"context"
	"testing"
	"time"

	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/database/postgres"
	"github.com/schemagate/schemagate/election"
	"github.com/schemagate/schemagate/test/servers"
)

// Store is a PostgreSQL database of one election's own, where the leader is seen, and, for one elector, decided.
type Store struct {
	url    string
	Timing election.Timing
}

// NewStore makes an empty database on the shared server, with our tables in it.
func NewStore(t *testing.T, ttl time.Duration) *Store {
	t.Helper()
	timing, err := election.NewTiming(ttl)
	if err != nil {
		t.Fatal(err)
	}
	s := &Store{url: servers.SharedPostgres(t).NewDatabase(t), Timing: timing}
	db := s.open(t, s.url)
	defer db.Disconnect()
	if err := db.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// Open is one replica's way to the database, and the line that it goes through.
func (s *Store) Open(t *testing.T) (*postgres.DB, *servers.TCPProxy) {
	t.Helper()
	line := servers.Proxy(t, servers.SharedPostgres(t).Addr())
	db := s.open(t, line.Through(s.url))
	t.Cleanup(db.Disconnect)
	s.look(t, db)
	return db, line
}

func (s *Store) open(t *testing.T, url string) *postgres.DB {
	t.Helper()
	db, err := postgres.Open(url, postgres.Options{Service: "electiontest", LeaseTTL: s.Timing.TTL, Interval: s.Timing.Interval})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func (s *Store) look(t *testing.T, db *postgres.DB) database.Lease {
	t.Helper()
	defer db.Disconnect()
	v, err := db.Look(t.Context(), database.Query{Since: -1})
	if err != nil {
		t.Fatal(err)
	}
	return v.Lease
}

// Rival is what a look tells.
func (s *Store) Rival(t *testing.T) election.Rival {
	t.Helper()
	return election.RivalOf(s.look(t, s.open(t, s.url)))
}

// Shown says that the lease has not run out.
func (s *Store) Shown(t *testing.T) bool {
	t.Helper()
	return s.look(t, s.open(t, s.url)).Alive
}

// Usurp takes the lease, as a winner elsewhere does, until the end of the test.
func (s *Store) Usurp(t *testing.T) {
	t.Helper()
	db := s.open(t, s.url)
	h, err := db.Acquire(t.Context(), database.Claim{Holder: database.NewHolder(), Replica: "usurper", Force: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Release(context.Background()); err != nil {
			t.Error(err)
		}
		db.Disconnect()
	})
}
