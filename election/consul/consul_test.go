package consul_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/election"
	"github.com/schemagate/schemagate/election/consul"
	"github.com/schemagate/schemagate/election/electiontest"
	"github.com/schemagate/schemagate/test/servers"
)

// place is one election's in a Consul.
type place struct {
	server *servers.ConsulServer
	client *api.Client
	prefix string
}

func newPlace(t *testing.T, server *servers.ConsulServer) place {
	return place{server: server, client: server.Client(t), prefix: "test/" + database.NewHolder()}
}

func (p place) url() string { return "consul://" + p.server.Addr() + "/" + p.prefix }

func (p place) key() string { return p.prefix + "/app/leader" }

func (p place) open(t *testing.T, url string, opt consul.Options) *consul.Elector {
	t.Helper()
	opt.Service = "app"
	e, err := consul.Open(url, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

func (p place) pair(t *testing.T) *api.KVPair {
	t.Helper()
	pair, _, err := p.client.KV().Get(p.key(), &api.QueryOptions{RequireConsistent: true})
	if err != nil {
		t.Fatal(err)
	}
	if pair == nil {
		t.Fatal("the key does not exist")
	}
	return pair
}

// sessions are the ids of all sessions of elections; each test that asks has a Consul of its own.
func (p place) sessions(t *testing.T) []string {
	t.Helper()
	list, _, err := p.client.Session().List(nil)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, s := range list {
		ids = append(ids, s.ID)
	}
	return ids
}

func (p place) destroySession(t *testing.T) {
	t.Helper()
	if _, err := p.client.Session().Destroy(p.pair(t).Session, nil); err != nil {
		t.Fatal(err)
	}
}

func (p place) deleteKey(t *testing.T) {
	t.Helper()
	if _, err := p.client.KV().Delete(p.key(), nil); err != nil {
		t.Fatal(err)
	}
}

// takeKey gives the lock to another session, while the holder's lives on.
func (p place) takeKey(t *testing.T) (session string) {
	t.Helper()
	id, _, err := p.client.Session().CreateNoChecks(&api.SessionEntry{TTL: "1h"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := p.client.Session().Destroy(id, nil); err != nil {
			t.Error(err)
		}
	})
	p.deleteKey(t)
	if ok, _, err := p.client.KV().Acquire(&api.KVPair{Key: p.key(), Session: id}, nil); err != nil || !ok {
		t.Fatalf("acquire: %v, %v", ok, err)
	}
	return id
}

func TestElector(t *testing.T) {
	electiontest.Suite{
		TTL:     10 * time.Second,
		Watches: true,
		Begin: func(t *testing.T, ttl time.Duration) *electiontest.Election {
			store := electiontest.NewStore(t, ttl)
			p := newPlace(t, sharedConsul())
			return &electiontest.Election{
				Join: func(t *testing.T) *electiontest.Member {
					db, line := store.Open(t)
					direct := servers.Proxy(t, p.server.Addr())
					e := p.open(t, direct.Through(p.url()), consul.Options{Timing: store.Timing, Leases: db})
					return &electiontest.Member{
						Elector: e,
						Lines:   []*servers.TCPProxy{direct, line},
						Leave:   func() { e.Close(); db.Disconnect() },
					}
				},
				Rival: store.Rival,
				Shown: store.Shown,
				Thefts: map[string]func(*testing.T){
					"SessionDestroyed": p.destroySession,
					"KeyDeleted":       p.deleteKey,
					"KeyTaken":         func(t *testing.T) { p.takeKey(t) },
					"LeaseTaken":       store.Usurp,
				},
			}
		},
	}.Run(t)
}

func candidate(name string) election.Candidate {
	return election.Candidate{Holder: database.NewHolder(), Replica: name, Release: "r1", Address: "192.0.2.1:8099"}
}

func mustWin(t *testing.T, e *consul.Elector, c election.Candidate) *election.Lead {
	t.Helper()
	lead, err := e.Campaign(t.Context(), c, election.Rival{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		_ = lead.Resign(ctx) // the server may be gone
	})
	return lead
}

func mustLose(t *testing.T, lead *election.Lead) {
	t.Helper()
	<-lead.Context().Done()
	if cause := context.Cause(lead.Context()); !errors.Is(cause, election.ErrLost) {
		t.Errorf("the lead ended with %v, want ErrLost", cause)
	}
}

func TestKeyTellsWhoLeads(t *testing.T) {
	t.Parallel()
	p := newPlace(t, sharedConsul())
	c := candidate("web-1")
	lead := mustWin(t, p.open(t, p.url(), consul.Options{}), c)
	pair := p.pair(t)
	var got map[string]string
	if err := json.Unmarshal(pair.Value, &got); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"holder": c.Holder, "replica": "web-1", "release": "r1", "address": "192.0.2.1:8099"} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	s, _, err := p.client.Session().Info(pair.Session, nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.TTL != "10s" || s.LockDelay != 0 || s.Behavior != "release" || len(s.NodeChecks)+len(s.ServiceChecks) != 0 || !strings.Contains(s.Name, "web-1") {
		t.Errorf("the session is %+v", s)
	}
	if err := lead.Resign(t.Context()); err != nil {
		t.Fatal(err)
	}
	if pair := p.pair(t); pair.Session != "" || len(pair.Value) != 0 {
		t.Errorf("after resigning the key says %q and is held by %q", pair.Value, pair.Session)
	}
}

// TestSilentHolderLosesItsSession: what the database says of the rival decides, at a TTL that no test outlives. Where the work is
// protected by the lease alone, Consul's own expiry is waited for.
func TestSilentHolderLosesItsSession(t *testing.T) {
	t.Parallel()
	store := electiontest.NewStore(t, time.Hour)
	p := newPlace(t, sharedConsul())
	db, _ := store.Open(t)
	old := mustWin(t, p.open(t, p.url(), consul.Options{Timing: store.Timing, Leases: db}), candidate("a"))
	next := p.open(t, p.url(), consul.Options{Timing: store.Timing})
	r := store.Rival(t)
	r.Age = time.Hour
	early, alone, other := r, r, r
	early.Age--
	alone.Exclusive = true
	other.Token = database.NewHolder()
	for name, r := range map[string]election.Rival{"early": early, "protected by the lease alone": alone, "another session": other} {
		if _, err := next.Campaign(t.Context(), candidate("b"), r); !errors.Is(err, election.ErrHeld) {
			t.Fatalf("%s: %v", name, err)
		}
	}
	if !old.Alive() {
		t.Fatal("the lead ended before its time")
	}
	lead, err := next.Campaign(t.Context(), candidate("b"), r)
	if err != nil {
		t.Fatal(err)
	}
	mustLose(t, old)
	if err := lead.Resign(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestNothingPilesUp(t *testing.T) {
	t.Parallel()
	p := newPlace(t, servers.Consul(t))
	e := p.open(t, p.url(), consul.Options{})
	lead := mustWin(t, e, candidate("a"))
	for range 3 {
		if _, err := e.Campaign(t.Context(), candidate("b"), election.Rival{}); !errors.Is(err, election.ErrHeld) {
			t.Fatal(err)
		}
	}
	if s := p.sessions(t); len(s) != 1 {
		t.Errorf("%d sessions while one replica leads", len(s))
	}
	if err := lead.Resign(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := p.sessions(t); len(s) != 0 {
		t.Errorf("%d sessions after resigning", len(s))
	}
}
