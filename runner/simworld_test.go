package runner_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	"github.com/schemagate/schemagate/database"
)

// world is a database with faults: a fence row with a lock, a history, a lease, and sessions that live on when their client
// dies, as a server's do. It decides nothing that the adapters do not decide: the term check is database.Term.Check itself.
// Time is the bubble's.
type world struct {
	mu       sync.Mutex
	ready    bool
	fence    database.Term
	history  []database.Event
	lock     *simSession // who holds the fence row
	sessions map[*simSession]bool
	lease    simLease
	began    map[int64]bool // terms whose recovery has begun (the history was read under them)
	replicas map[string]database.Replica
	beats    int
	server   string        // who answers; a failover changes it
	asked    chan struct{} // the registry is being read
	// committed is told of each event, under mu.
	committed func(database.Event)
	broken    []string       // invariants found broken
	foreign   int            // versions that another tool has applied
	hits      map[string]int // faults that took effect
}

type simLease struct {
	claim    database.Claim
	node     *node // whose presence connection it is
	renewed  time.Time
	ttl      time.Duration
	interval time.Duration
}

func newWorld() *world {
	return &world{replicas: map[string]database.Replica{}, sessions: map[*simSession]bool{}, began: map[int64]bool{}, hits: map[string]int{}}
}

func (w *world) breach(format string, args ...any) {
	w.broken = append(w.broken, fmt.Sprintf(format, args...))
}

// append writes events and checks the invariants at the moment of the commit, whatever the code above believes.
func (w *world) append(t database.Term, events ...database.Event) {
	if t.Number < w.fence.Number && w.began[w.fence.Number] {
		w.breach("term %d wrote %q after term %d had begun its recovery", t.Number, events[0].Kind, w.fence.Number)
	}
	for _, e := range events {
		e.ID, e.Term, e.Holder, e.At = int64(len(w.history)+1), t.Number, t.Holder, time.Now()
		if e.Kind == database.Applied && w.inForce(e.Version) {
			w.breach("%s was applied twice, the second time in term %d", e.Version, t.Number)
		}
		w.history = append(w.history, e)
		if w.committed != nil {
			w.committed(e)
		}
	}
}

func (w *world) inForce(version string) bool {
	for i := len(w.history) - 1; i >= 0; i-- {
		if e := w.history[i]; e.Version == version {
			switch e.Kind {
			case database.Applied:
				return true
			case database.RolledBack:
				return false
			}
		}
	}
	return false
}

// node is one replica's side of the world: its network, its being paused or dead, its clock.
type node struct {
	w     *world
	name  string
	rng   *rand.Rand
	rate  float64 // of its clock: a lease is trusted for rate times as long
	quiet func() bool

	mu     sync.Mutex
	dead   bool
	paused time.Time
	cut    time.Time

	// What the protocol simulation knows of this replica; under world.mu.
	set    string    // its release's digest
	open   bool      // its gate
	beat   time.Time // when its row was last renewed
	looked bool      // it had an answer to a look since then
}

func (n *node) hit(fault string) {
	n.w.mu.Lock()
	n.w.hits[fault]++
	n.w.mu.Unlock()
}

// at is the boundary of every call: here a replica is stopped for a while, or for good. Pauses that begin right here find the
// narrow places, between an election's answer and the first statement, that pauses at random times miss.
func (n *node) at() {
	n.mu.Lock()
	if !n.quiet() && n.rng.IntN(40) == 0 {
		n.paused = time.Now().Add(time.Duration(n.rng.Int64N(int64(3 * simTTL))))
	}
	n.mu.Unlock()
	for {
		n.mu.Lock()
		dead, until := n.dead, n.paused
		n.mu.Unlock()
		if dead {
			runtime.Goexit()
		}
		d := time.Until(until)
		if d <= 0 {
			return
		}
		time.Sleep(d)
	}
}

// request takes the time of the way there, and fails where the way is cut.
func (n *node) request(ctx context.Context) error {
	n.at()
	n.mu.Lock()
	d := time.Duration(n.rng.IntN(2_000_000) + 1000)
	lost := !n.quiet() && n.rng.IntN(60) == 0
	n.mu.Unlock()
	time.Sleep(d)
	n.at()
	n.mu.Lock()
	cut := time.Until(n.cut) > 0
	n.mu.Unlock()
	if cut || lost {
		n.hit("request lost")
		return fmt.Errorf("%w: request lost", database.ErrUnreachable)
	}
	return ctx.Err()
}

// replyLost decides whether what was done is reported as failed.
func (n *node) replyLost() bool {
	n.mu.Lock()
	lost := !n.quiet() && n.rng.IntN(25) == 0
	n.mu.Unlock()
	if lost {
		n.hit("reply lost")
	}
	return lost
}

type simDB struct {
	*node
	census bool // it reads the registry to act on it
	conn   bool
}

func (d *simDB) Traits() database.Traits {
	return database.Traits{Name: "simulation", Fenced: true, ReleaseTransaction: true}
}

func (d *simDB) Disconnect() { d.conn = false }

func (d *simDB) Look(ctx context.Context, q database.Query) (database.View, error) {
	if err := d.request(ctx); err != nil {
		return database.View{}, err
	}
	w := d.w
	w.mu.Lock()
	defer w.mu.Unlock()
	v := database.View{Ready: w.ready, Fence: w.fence, Last: int64(len(w.history))}
	for _, e := range w.history {
		if e.Kind == database.Complete && e.Digest == q.Digest {
			v.Complete = e.ID
		}
		if e.Kind == database.Failed && q.Since >= 0 && e.ID > q.Since {
			v.Failures = append(v.Failures, e)
		}
		switch e.Kind {
		case database.Floor:
			v.Floor = e.Version
		case database.CutoverBegan, database.CutoverEnded:
			v.Cutover = database.Cutover{ID: e.ID, Digest: e.Digest, Under: e.Kind == database.CutoverBegan, Note: e.Note}
		}
	}
	d.looked = true
	_, v.Init = w.replicas[database.InitReplica(q.Digest)]
	l := w.lease
	if l.claim.Holder != "" {
		age := time.Since(l.renewed)
		gone := l.node.isDead()
		dead := gone && age > 2*l.interval
		v.Lease = database.Lease{Holder: l.claim.Holder, Replica: l.claim.Replica, Alive: age < l.ttl && !dead, Gone: gone, Dead: dead, AgeMS: age.Milliseconds()}
	}
	return v, nil
}

func (n *node) isDead() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.dead
}

func (d *simDB) Prepare(ctx context.Context) error {
	if err := d.request(ctx); err != nil {
		return err
	}
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	d.w.ready = true
	return nil
}

func (d *simDB) History(ctx context.Context, _ bool) ([]database.Event, error) {
	if err := d.request(ctx); err != nil {
		return nil, err
	}
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	d.w.began[d.w.fence.Number] = true
	return append([]database.Event(nil), d.w.history...), nil
}

func (d *simDB) Mint(ctx context.Context, seen int64, holder string) (database.Term, error) {
	if err := d.request(ctx); err != nil {
		return database.Term{}, err
	}
	w := d.w
	if !w.await(nil, 500*time.Millisecond) {
		w.mu.Lock()
		now := w.fence
		w.mu.Unlock()
		if now.Number != seen {
			return database.Term{}, &database.FencedError{Mine: database.Term{Number: seen + 1, Holder: holder}, Current: now}
		}
		d.evict(seen)
		return database.Term{}, database.ErrBlocked
	}
	w.mu.Lock()
	mine := database.Term{Number: seen + 1, Holder: holder}
	if w.fence.Number == seen {
		w.fence = mine
	}
	now := w.fence
	w.mu.Unlock()
	if d.replyLost() {
		return database.Term{}, database.ErrUnreachable
	}
	return mine, mine.Check(now)
}

// await waits for the fence row's lock and gives it to s; nil only looks.
func (w *world) await(s *simSession, limit time.Duration) bool {
	for waited := time.Duration(0); ; waited += 7 * time.Millisecond {
		w.mu.Lock()
		free := w.lock == nil
		ended := s != nil && s.ended // its backend is gone, and waits for nothing any more
		if free = free && !ended; free && s != nil {
			w.lock = s
		}
		w.mu.Unlock()
		if free || ended || waited > limit {
			return free
		}
		time.Sleep(7 * time.Millisecond)
	}
}

func (d *simDB) evict(last int64) (left int) {
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	for s := range d.w.sessions {
		if s.term.Number <= last {
			left++
			d.w.end(s)
		}
	}
	return left
}

func (w *world) end(s *simSession) {
	if s.ended {
		return
	}
	s.ended = true
	delete(w.sessions, s)
	if w.lock == s {
		w.lock = nil
	}
}

func (d *simDB) Drain(ctx context.Context, t database.Term) error {
	if err := d.request(ctx); err != nil {
		return err
	}
	if d.evict(t.Number-1) > 0 {
		return database.ErrBlocked
	}
	return nil
}

func (d *simDB) Lead(ctx context.Context, t database.Term, o database.Origin) (database.Session, error) {
	if err := d.request(ctx); err != nil {
		return nil, err
	}
	s := &simSession{node: d.node, term: t, origin: o}
	d.w.mu.Lock()
	d.w.sessions[s] = true
	d.w.mu.Unlock()
	return s, nil
}
