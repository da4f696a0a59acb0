package runner_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/election"
	"github.com/schemagate/schemagate/election/lease"
	"github.com/schemagate/schemagate/election/wake"
	"github.com/schemagate/schemagate/health"
	"github.com/schemagate/schemagate/runner"
)

// What the simulated crowd assumes: so many connections are to be had, a look keeps one of the server's processors busy for so
// long, replicas start within a rollout, and a migration takes long enough that all of them wait. Networks are quick and lose
// nothing; starting a process costs nothing.
const (
	crowdConnections = 100
	crowdProcessors  = 8
	crowdLook        = 4 * time.Millisecond
	crowdRollout     = 30 * time.Second
	crowdMigration   = 2 * time.Minute
)

// server is what a crowd of looks does to a database.
type server struct {
	processors chan struct{}

	mu      sync.Mutex
	open    int // connections of those who look
	most    int
	refused int
	looks   int
}

func (s *server) reset() (most, refused, looks int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	most, refused, looks = s.most, s.refused, s.looks
	s.most, s.refused, s.looks = s.open, 0, 0
	return most, refused, looks
}

// crowdDB is a simulated database whose connections and processors are few.
type crowdDB struct {
	*simDB
	s    *server
	held bool
}

func (d *crowdDB) connect() error {
	d.s.mu.Lock()
	d.s.looks++
	if !d.held && d.s.open >= crowdConnections {
		d.s.refused++
		d.s.mu.Unlock()
		return fmt.Errorf("%w: too many clients already", database.ErrUnreachable)
	}
	if !d.held {
		d.held = true
		d.s.open++
		d.s.most = max(d.s.most, d.s.open)
	}
	d.s.mu.Unlock()
	d.s.processors <- struct{}{}
	time.Sleep(crowdLook)
	<-d.s.processors
	return nil
}

func (d *crowdDB) Disconnect() {
	d.simDB.Disconnect()
	if d.held {
		d.held = false
		d.s.mu.Lock()
		d.s.open--
		d.s.mu.Unlock()
	}
}

func (d *crowdDB) Glance(ctx context.Context, digest string) (clear, init bool, err error) {
	if err := d.connect(); err != nil {
		return false, false, err
	}
	return d.simDB.Glance(ctx, digest)
}

func (d *crowdDB) Look(ctx context.Context, q database.Query) (database.View, error) {
	if err := d.connect(); err != nil {
		return database.View{}, err
	}
	v, err := d.simDB.Look(ctx, q)
	d.w.mu.Lock()
	v.Lease.Address = d.w.lease.claim.Address
	d.w.mu.Unlock()
	return v, err
}

// Lead opens a session whose migrations take their time.
func (d *crowdDB) Lead(ctx context.Context, t database.Term, o database.Origin) (database.Session, error) {
	s, err := d.simDB.Lead(ctx, t, o)
	if err != nil {
		return nil, err
	}
	return &slowSession{s.(*simSession)}, nil
}

type slowSession struct{ *simSession }

func (s *slowSession) Apply(ctx context.Context, changes ...database.Change) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	time.Sleep(crowdMigration / simVersions)
	c := changes[0]
	return s.commit(ctx, database.Event{Kind: database.Applied, Version: c.Version, Checksum: c.Checksum, Replica: s.origin.Replica})
}

// memory is a network within the process, of the addresses that were listened on.
type memory struct {
	mu    sync.Mutex
	ports map[string]*port
}

type port struct {
	name   string
	conns  chan net.Conn
	closed chan struct{}
}

func (m *memory) listen(address string) *port {
	p := &port{name: address, conns: make(chan net.Conn), closed: make(chan struct{})}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ports[address] = p
	return p
}

func (m *memory) dial(ctx context.Context, _, address string) (net.Conn, error) {
	m.mu.Lock()
	p := m.ports[address]
	m.mu.Unlock()
	if p == nil {
		return nil, net.ErrClosed
	}
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *port) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *port) Close() error   { close(p.closed); return nil }
func (p *port) Addr() net.Addr { return p }
func (*port) Network() string  { return "memory" }
func (p *port) String() string { return p.name }

// gate shows the runner's state as the binary does, to those who wait at it.
type gate struct{ *health.Gate }

func (g gate) Observe(n runner.Snapshot) {
	g.Update(func(s *health.Status) {
		switch {
		case n.Open:
			s.State = health.Open
		case n.Leading:
			s.State = health.Migrating
		default:
			s.State = health.Waiting
		}
	})
}

// member is one replica of the crowd, from its start to the end of its `up`.
func member(ctx context.Context, nd *node, s *server, network *memory) error {
	db := &crowdDB{simDB: &simDB{node: nd}, s: s}
	g := gate{health.NewGate()}
	var web http.Server
	var serving sync.WaitGroup
	listen := sync.OnceValue(func() string { // nobody asks for it before it leads
		l := network.listen(nd.name + ":80")
		web.Handler = health.NewServer(g.Gate, health.Options{})
		serving.Go(func() { _ = web.Serve(l) }) // it ends by Close
		return l.name
	})
	r := &runner.Runner{
		Database: db, Set: simSet(), Campaigns: true, Log: zap.NewNop(), Observer: g, Address: listen,
		Elector:   &lease.Elector{Leases: db, Timing: election.Timing{TTL: simTTL, Interval: simInterval}, Waiter: wake.Waiter{Dial: network.dial}},
		Candidate: election.Candidate{Replica: nd.name}, Rand: rand.New(rand.NewPCG(nd.rng.Uint64(), 2)),
	}
	err := r.Up(ctx)
	db.Disconnect()
	g.Dismiss()
	through, cancel := context.WithTimeout(ctx, 3*time.Second) // as the binary's `up` stays
	g.Through(through)
	cancel()
	_ = web.Close()
	serving.Wait()
	return err
}

// crowd runs n replicas, and says how it went.
func crowd(t *testing.T, n int) {
	synctest.Test(t, func(t *testing.T) {
		w, s, network := newWorld(), &server{processors: make(chan struct{}, crowdProcessors)}, &memory{ports: map[string]*port{}}
		var complete time.Time
		w.committed = func(e database.Event) {
			if e.Kind == database.Complete {
				complete = time.Now()
			}
		}
		rng := rand.New(rand.NewPCG(1, uint64(n)))
		opened, errs := make([]time.Time, n), make([]error, n)
		var group sync.WaitGroup
		for i := range n {
			nd := &node{w: w, name: fmt.Sprintf("r%d", i), rng: rand.New(rand.NewPCG(2, uint64(i))), rate: 1, quiet: func() bool { return true }}
			start := time.Duration(rng.Int64N(int64(crowdRollout)))
			group.Go(func() {
				time.Sleep(start)
				errs[i] = member(t.Context(), nd, s, network)
				opened[i] = time.Now()
			})
		}
		time.Sleep(crowdRollout + 10*time.Second) // all of them wait now
		_, refusedBefore, _ := s.reset()
		const watched = time.Minute
		time.Sleep(watched)
		mostWaiting, _, looks := s.reset()
		group.Wait()
		most, refused, _ := s.reset()
		first, last := opened[0], opened[0]
		for i, at := range opened {
			if errs[i] != nil {
				t.Errorf("replica %d: %v", i, errs[i])
			}
			if at.Before(first) {
				first = at
			}
			if at.After(last) {
				last = at
			}
		}
		t.Logf("%d replicas: while they wait %.1f looks a second, at most %d connections; at the end at most %d, %d refused (%d at the start); "+
			"last gate %v after complete, %v after the first",
			n, float64(looks)/watched.Seconds(), mostWaiting, most, refused, refusedBefore, last.Sub(complete), last.Sub(first))
		for _, b := range w.broken {
			t.Error(b)
		}
		if perSecond := float64(looks) / watched.Seconds(); perSecond > 5+float64(n)/10 {
			t.Errorf("%.1f looks a second while they wait", perSecond)
		}
		if refused > 0 {
			t.Errorf("%d looks were refused a connection while everybody waited", refused)
		}
		if max(most, mostWaiting) > 20 {
			t.Errorf("%d connections at once", max(most, mostWaiting))
		}
	})
}

// TestCrowd has replicas by the hundred wait for a migration, with the production runner, elector, long-poll and turnstile, in fake time.
// SCHEMAGATE_TEST_CROWD sets how many, such as 10000.
func TestCrowd(t *testing.T) {
	sizes := []int{10, 100, 2500} // the last are more than a leader has room for
	if v := os.Getenv("SCHEMAGATE_TEST_CROWD"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			t.Fatal(err)
		}
		sizes = []int{n}
	}
	for _, n := range sizes {
		t.Run(fmt.Sprint(n), func(t *testing.T) { crowd(t, n) })
	}
}
