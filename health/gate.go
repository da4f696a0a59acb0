package health

import (
	"context"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// reasonMax keeps a probe's body small: kubelet, for one, copies it into an event.
const reasonMax = 1000

// Gate owns one replica's status. It is safe for concurrent use.
type Gate struct {
	mu      sync.Mutex
	status  Status
	changed chan struct{}
	round   chan struct{} // closed when no round is on
	last    bool          // no further round begins
	started bool

	view    atomic.Pointer[view]
	waiters atomic.Int64
	through chan struct{} // told when the last waiter has left

	observed atomic.Bool
	metrics  func() *metrics
}

// view is everything that a probe needs, made anew at each change.
type view struct {
	ready, started bool
	// plain tells the reason; bare does not, for a server that has a token.
	plain, bare answer
}

// answer is a probe's response, ready to be written.
type answer struct {
	code   int
	body   []byte
	length []string
}

func newAnswer(ok bool, text string) answer {
	a := answer{code: http.StatusServiceUnavailable, body: []byte(text + "\n")}
	if ok {
		a.code = http.StatusOK
	}
	a.length = []string{strconv.Itoa(len(a.body))}
	return a
}

// NewGate returns a gate that is waiting, as a follower.
func NewGate() *Gate {
	now := wallClock()
	g := &Gate{
		status:  Status{State: Waiting, Since: now, Role: Follower, Database: Database{Note: "not asked yet", Since: now}},
		changed: make(chan struct{}),
		round:   make(chan struct{}),
		through: make(chan struct{}, 1),
	}
	g.metrics = sync.OnceValue(func() *metrics { return newMetrics(g) })
	g.status = g.status.clone()
	g.view.Store(g.makeView())
	return g
}

// Update changes the status. What change is given is its own, but for the lists
// Migrations and Replicas, which it replaces and never writes into; it may keep
// nothing of it that it goes on to write, and must not call the gate. Fields that the
// gate keeps (Since, Ready, Draining, App) are put right afterwards.
func (g *Gate) Update(change func(*Status)) {
	g.update(func(s *Status) {
		draining, app := s.Draining, copied(s.App)
		change(s)
		s.Draining, s.App = draining, app
	})
}

// SetApp tells what the app answered. Until it is called for the first time the app
// counts as healthy, since nobody asks it.
func (g *Gate) SetApp(healthy bool, note string) {
	g.update(func(s *Status) {
		app := App{Healthy: healthy, Note: note, Since: wallClock()}
		if s.App != nil && s.App.Healthy == healthy {
			app.Since = s.App.Since
		}
		s.App = &app
	})
}

// Drain makes the gate not ready, for good: the process is about to end.
func (g *Gate) Drain() {
	g.update(func(s *Status) { s.Draining = true })
}

func (g *Gate) update(change func(*Status)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	was := g.status
	next := was.fork()
	change(&next)
	next = next.sealed(&was)
	for i := range next.Batches {
		next.Batches[i].tidy()
	}
	next.Ready, next.Now, next.Since, next.LastErrorAt, next.Database.Since = false, time.Time{}, was.Since, was.LastErrorAt, was.Database.Since
	now := wallClock()
	if next.State != was.State {
		next.Since = now
	}
	if next.LastError != was.LastError {
		next.LastErrorAt = now
		if next.LastError == "" {
			next.LastErrorAt = time.Time{}
		}
	}
	if next.Database.Reachable != was.Database.Reachable {
		next.Database.Since = now
	}
	if reflect.DeepEqual(was, next) {
		return // a look that saw nothing new wakes nobody
	}
	g.status = next
	g.view.Store(g.makeView())
	switch {
	case g.last:
	case was.State.working() && !next.State.working():
		close(g.round)
	case !was.State.working() && next.State.working():
		g.round = make(chan struct{})
	}
	close(g.changed)
	g.changed = make(chan struct{})
}

// Status returns a copy that is the caller's.
func (g *Gate) Status() Status {
	g.mu.Lock()
	s := g.status.clone()
	g.mu.Unlock()
	s.Ready = s.ready()
	s.Now = wallClock()
	return s
}

// Ready tells what /readyz tells.
func (g *Gate) Ready() bool { return g.view.Load().ready }

// Started tells whether the gate was ever ready.
func (g *Gate) Started() bool { return g.view.Load().started }

// Changed returns a channel that is closed at the next change. Get it before reading
// the status, and no change is missed.
func (g *Gate) Changed() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.changed
}

// Dismiss ends the round, and no other begins: this process is about to end. Whoever
// comes to /wake from now on has a turn as soon as one is free.
func (g *Gate) Dismiss() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.last && g.status.State.working() {
		close(g.round)
	}
	g.last = true
}

// Through returns when nobody is at /wake, or when ctx ends.
func (g *Gate) Through(ctx context.Context) {
	for g.waiters.Load() > 0 {
		select {
		case <-g.through:
		case <-ctx.Done():
			return
		}
	}
}

// join counts one more waiter, unless there are limit already. The channel is closed
// at the end of the current round; leave must be called once.
func (g *Gate) join(limit int64) (rank int64, round <-chan struct{}, ok bool) {
	n := g.waiters.Add(1)
	if n > limit {
		g.leave()
		return 0, nil, false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return n - 1, g.round, true
}

func (g *Gate) leave() {
	if g.waiters.Add(-1) > 0 {
		return
	}
	select {
	case g.through <- struct{}{}:
	default: // not taken yet
	}
}

// makeView is called with mu held.
func (g *Gate) makeView() *view {
	s := &g.status
	v := &view{ready: s.ready()}
	g.started = g.started || v.ready
	v.started = g.started
	plain, bare := string(s.State), string(s.State)
	switch {
	case v.ready:
	case s.Draining:
		plain += ": draining"
		bare = plain
	case s.State == Open: // and yet not ready
		bare += ": the app does not answer"
		plain = bare + ": " + oneLine(s.App.Note)
	default:
		if r := oneLine(s.reason()); r != "" {
			plain += ": " + r
		}
	}
	v.plain, v.bare = newAnswer(v.ready, plain), newAnswer(v.ready, bare)
	return v
}

func (s *Status) ready() bool {
	return s.State == Open && !s.Draining && (s.App == nil || s.App.Healthy)
}

func (s *Status) reason() string {
	switch {
	case s.Reason != "":
		return s.Reason
	case s.State == Failed || s.State == Closed:
		return s.LastError
	case s.CurrentMigration != nil:
		return s.CurrentMigration.Version + " " + s.CurrentMigration.Name
	}
	return ""
}

func oneLine(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > reasonMax {
		text = strings.ToValidUTF8(text[:reasonMax], "") + " ..."
	}
	return text
}

// wallClock is precise enough for people, and the same in every zone.
func wallClock() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }
