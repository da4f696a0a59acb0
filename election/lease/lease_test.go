package lease_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

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
