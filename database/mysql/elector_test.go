package mysql_test

import (
	"context"
	"testing"
	"time"

	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/database/mysql"
	"github.com/schemagate/schemagate/election"
	"github.com/schemagate/schemagate/election/electiontest"
	"github.com/schemagate/schemagate/election/lease"
	"github.com/schemagate/schemagate/test/servers"
)

func TestElector(t *testing.T) {
	electiontest.Suite{
		TTL: 3 * time.Second,
		Begin: func(t *testing.T, ttl time.Duration) *electiontest.Election {
			timing, err := election.NewTiming(ttl)
			if err != nil {
				t.Fatal(err)
			}
			b := newBench(t)
			open := func(t *testing.T, url string) *mysql.DB {
				t.Helper()
				d, err := mysql.Open(url, mysql.Options{Service: service, LeaseTTL: timing.TTL, Interval: timing.Interval})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(d.Disconnect)
				return d
			}
			b.must(open(t, b.url).Prepare(t.Context()))
			look := func(t *testing.T) database.Lease {
				t.Helper()
				d := open(t, b.url)
				defer d.Disconnect()
				v, err := d.Look(t.Context(), database.Query{Since: -1})
				if err != nil {
					t.Fatal(err)
				}
				return v.Lease
			}
			return &electiontest.Election{
				Join: func(t *testing.T) *electiontest.Member {
					line := servers.Proxy(t, maria().Addr())
					db := open(t, line.Through(b.url))
					return &electiontest.Member{Elector: &lease.Elector{Leases: db, Timing: timing}, Lines: []*servers.TCPProxy{line}, Leave: db.Disconnect}
				},
				Rival: func(t *testing.T) election.Rival {
					l := look(t)
					return election.Rival{Holder: l.Holder, Address: l.Address, Token: l.Token, Dead: l.Dead}
				},
				Shown: func(t *testing.T) bool { return look(t).Alive },
				Thefts: map[string]func(*testing.T){"LeaseTaken": func(t *testing.T) {
					h, err := open(t, b.url).Acquire(t.Context(), database.Claim{Holder: database.NewHolder(), Replica: "usurper", Force: true})
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() {
						if err := h.Release(context.Background()); err != nil {
							t.Error(err)
						}
					})
				}},
			}
		},
	}.Run(t)
}
