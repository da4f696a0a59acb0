package lease_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/schemagate/schemagate/election"
	"github.com/schemagate/schemagate/election/electiontest"
	"github.com/schemagate/schemagate/election/lease"
	"github.com/schemagate/schemagate/test/servers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(servers.StopAfter(m)) }

func TestElector(t *testing.T) {
	electiontest.Suite{
		TTL: 3 * time.Second,
		Begin: func(t *testing.T, ttl time.Duration) *electiontest.Election {
			store := electiontest.NewStore(t, ttl)
			return &electiontest.Election{
				Join: func(t *testing.T) *electiontest.Member {
					db, line := store.Open(t)
					return &electiontest.Member{
						Elector: &lease.Elector{Leases: db, Timing: store.Timing},
						Lines:   []*servers.TCPProxy{line},
						Leave:   db.Disconnect,
					}
				},
				Rival:  store.Rival,
				Shown:  store.Shown,
				Thefts: map[string]func(*testing.T){"LeaseTaken": store.Usurp},
			}
		},
	}.Run(t)
}

// TestLeft: nobody sleeps beyond the moment when a look can find the lease free, or its holder proved dead.
func TestLeft(t *testing.T) {
	timing := election.Timing{TTL: 10 * time.Second, Interval: 500 * time.Millisecond}
	for name, c := range map[string]struct {
		rival    election.Rival
		from, to time.Duration
	}{
		"nobody":                      {election.Rival{}, 0, 0},
		"alive":                       {election.Rival{Holder: "a", Age: time.Second}, 9 * time.Second, 9 * time.Second},
		"out":                         {election.Rival{Holder: "a", Age: time.Minute, Exclusive: true}, 0, 0},
		"gone, one renewal missed":    {election.Rival{Holder: "a", Gone: true, Age: 700 * time.Millisecond}, 301 * time.Millisecond, 400 * time.Millisecond},
		"gone, about to be proved":    {election.Rival{Holder: "a", Gone: true, Age: time.Second}, time.Millisecond, 100 * time.Millisecond},
		"dead, and held all the same": {election.Rival{Holder: "a", Gone: true, Dead: true, Age: 4 * time.Second}, 6 * time.Second, 6 * time.Second},
	} {
		if got := lease.Left(c.rival, timing); got < c.from || got > c.to {
			t.Errorf("%s: %v, want %v to %v", name, got, c.from, c.to)
		}
	}
}
