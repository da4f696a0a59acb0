package consul

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/election"
	"github.com/schemagate/schemagate/election/wake"
)

const (
	// shortest and longest are the TTLs that Consul accepts for a session.
	shortest = 10 * time.Second
	longest  = 24 * time.Hour
	// requestTimeout leaves the shortest trust (nine seconds) three attempts, each on a connection of its own.
	requestTimeout = 3 * time.Second
)

// Options are what the elector needs besides the URL.
type Options struct {
	// Service is whose lead this is.
	Service string
	// Timing is that of the lease in the database, and of the session, whose TTL is ten seconds at least. Zero is that.
	Timing election.Timing
	// Leases makes the winner visible in the target database, where followers can also tell that it died. Without it a
	// killed holder keeps the lock for up to twice the session's TTL.
	Leases database.Leases
}

// Elector campaigns for a lock in Consul. It is used by one goroutine, but for the leads it hands out.
type Elector struct {
	client    *api.Client
	transport *http.Transport
	place     place
	key       string
	opt       Options
	timing    election.Timing // the session's
	index     atomic.Uint64   // of the key as it was last seen
	waiter    wake.Waiter
}

// Open reads the URL and Consul's variables; it does not connect.
func Open(rawURL string, opt Options) (*Elector, error) {
	p, err := parse(rawURL)
	if err != nil {
		return nil, err
	}
	service := strings.Trim(opt.Service, "/")
	if service == "" {
		return nil, fmt.Errorf("%w: the service has no name: set SCHEMAGATE_SERVICE", database.ErrConfig)
	}
	if opt.Timing.TTL > longest {
		return nil, fmt.Errorf("%w: SCHEMAGATE_LEASE_TTL is %v; Consul allows sessions of %v at most", database.ErrConfig, opt.Timing.TTL, longest)
	}
	timing, err := election.NewTiming(max(shortest, opt.Timing.TTL))
	if err != nil {
		return nil, err
	}
	if opt.Timing == (election.Timing{}) {
		opt.Timing = timing
	}
	client, transport, err := connect(&p)
	if err != nil {
		return nil, err
	}
	return &Elector{client: client, transport: transport, place: p, key: p.prefix + "/" + service + "/leader", opt: opt, timing: timing}, nil
}

// Close drops idle connections; the elector may be used again.
func (e *Elector) Close() { e.transport.CloseIdleConnections() }

// record is the key's value while it is held; for people, nothing is decided by it.
type record struct {
	Holder  string `json:"holder"`
	Replica string `json:"replica"`
	Release string `json:"release"`
	Address string `json:"address"`
}

// Campaign makes one attempt. A rival that the database proves dead, or saw silent for a full TTL, loses its session, if the lock
// is still that session's.
func (e *Elector) Campaign(ctx context.Context, c election.Candidate, r election.Rival) (*election.Lead, error) {
	free, err := e.free(ctx, r)
	if err != nil {
		return nil, err
	}
	if !free {
		return nil, election.ErrHeld
	}
	sent := time.Now() // the session's time runs from its creation, not from the acquisition
	session, err := e.create(ctx, c)
	if err != nil {
		return nil, err
	}
	won, err := e.acquire(ctx, session, c)
	if err == nil {
		err = context.Cause(ctx) // nobody wants the lock any more
	}
	if err != nil || !won {
		// Also ends a lock that was had although the answer was lost.
		if derr := e.destroy(context.WithoutCancel(ctx), session); derr != nil && err == nil {
			err = derr
		}
		if err == nil {
			err = election.ErrHeld
		}
		return nil, err
	}
	h := newHolding(e, session)
	lead := election.Keep(sent, e.timing, h.renew, h.resign)
	if e.opt.Leases == nil {
		return lead, nil
	}
	if err := h.show(ctx, lead, c); err != nil {
		short, cancel := bounded(context.WithoutCancel(ctx))
		defer cancel()
		_ = lead.Resign(short) // expiry is the backstop
		return nil, fmt.Errorf("elected by Consul, but not shown in the database: %w", err)
	}
	return lead, nil
}

// free says whether the lock can be had now, after ending a dead rival's session.
func (e *Elector) free(ctx context.Context, r election.Rival) (bool, error) {
	pair, err := e.read(ctx, &api.QueryOptions{})
	if err != nil {
		return false, err
	}
	if pair != nil {
		e.index.Store(pair.ModifyIndex) // so that a release between this and the next Await is noticed there
	}
	if pair == nil || pair.Session == "" {
		return true, nil
	}
	if r.Token != pair.Session || !r.Dead && !e.silent(r) {
		return false, nil
	}
	return true, e.destroy(ctx, pair.Session)
}

// silent says that the rival's lease in the database was not renewed for the whole TTL of its session, by the database's clock.
// The holder may yet live, cut off or stopped: its lead ends with the session, and the fence refuses what it then writes. Where
// there is none it keeps the session for as long as Consul leaves it.
func (e *Elector) silent(r election.Rival) bool {
	return r.Holder != "" && !r.Exclusive && r.Age >= e.timing.TTL
}

func (e *Elector) read(ctx context.Context, q *api.QueryOptions) (*api.KVPair, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	pair, _, err := e.client.KV().Get(e.key, q.WithContext(ctx))
	if err != nil {
		return nil, e.fail(ctx, "read "+e.key, err)
	}
	return pair, nil
}

// create makes the session by the raw endpoint: the library's own call can't say "no lock delay", it takes 0 for Consul's
// default of 15 seconds.
func (e *Elector) create(ctx context.Context, c election.Candidate) (string, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	in := map[string]any{
		"Name":       "schemagate " + e.opt.Service + ": " + c.Replica,
		"TTL":        e.timing.TTL.String(),
		"Behavior":   api.SessionBehaviorRelease,
		"LockDelay":  "0s",
		"NodeChecks": []string{}, // the TTL alone: the agent's health is not ours
	}
	var out struct{ ID string }
	if _, err := e.client.Raw().Write("/v1/session/create", in, &out, e.write(ctx)); err != nil {
		return "", e.fail(ctx, "create a session", err)
	}
	return out.ID, nil
}

func (e *Elector) acquire(ctx context.Context, session string, c election.Candidate) (bool, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	value, err := json.Marshal(record{Holder: c.Holder, Replica: c.Replica, Release: c.Release, Address: c.Address})
	if err != nil {
		return false, err
	}
	won, _, err := e.client.KV().Acquire(&api.KVPair{Key: e.key, Value: value, Session: session}, e.write(ctx))
	if err != nil {
		return false, e.fail(ctx, "acquire "+e.key, err)
	}
	return won, nil
}

// release frees the key; it does nothing where the session does not hold it any more.
func (e *Elector) release(ctx context.Context, session string) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	if _, _, err := e.client.KV().Release(&api.KVPair{Key: e.key, Session: session}, e.write(ctx)); err != nil {
		return e.fail(ctx, "release "+e.key, err)
	}
	return nil
}

// destroy ends a session and frees what it holds; it is done as well where the session is gone.
func (e *Elector) destroy(ctx context.Context, session string) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	if _, err := e.client.Session().Destroy(session, e.write(ctx)); err != nil {
		return e.fail(ctx, "destroy a session", err)
	}
	return nil
}

func (e *Elector) write(ctx context.Context) *api.WriteOptions {
	return (&api.WriteOptions{}).WithContext(ctx)
}

func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, requestTimeout, fmt.Errorf("no answer within %v", requestTimeout))
}
