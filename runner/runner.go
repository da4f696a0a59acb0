package runner

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"go.uber.org/zap"

	"github.com/schemagate/schemagate/backfill"
	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/election"
	"github.com/schemagate/schemagate/migrations"
)

// Commander runs an external command (BEFORE, AFTER, COMMAND) to its end, and returns the last lines of what it printed.
// It ends the command, with its children, when ctx ends. The term tags the database sessions that the command opens.
type Commander interface {
	Command(ctx context.Context, kind StepKind, line string, t database.Term) (tail string, err error)
}

// Observer is told what the gate should show. It must not block.
type Observer interface {
	Observe(Snapshot)
}

// Snapshot is what a replica knows of itself and of its leader.
type Snapshot struct {
	Phase election.Phase
	// Did and Came are the action that has just ended and what came of it, for counting.
	Did     election.Phase
	Came    election.Kind
	Term    int64
	Leader  string
	Leading bool
	Plan    *Plan // nil before the history was first read
	// Current is the migration under way, since when.
	Current string
	Since   time.Time
	// Backfills are the data migrations in batches that this replica has seen, by version.
	Backfills []backfill.Report
	// Reachable: the database answered the last time.
	Reachable bool
	Err       error
	// Open and Why are the gate: why it is closed, where it is.
	Open bool
	Why  string
	// Replicas are the registry's rows as last read.
	Replicas []database.Replica
	// Applied reports a migration that this replica has just applied.
	Applied  string
	Duration time.Duration
}

// Runner takes one start from the first look to the end.
type Runner struct {
	Database database.Database
	Elector  election.Elector
	Set      *migrations.Set
	// Whole, if there is one, reads the set, of which Set then has the digest alone: all that a start with nothing to do asks for.
	Whole     func() (*migrations.Set, error)
	Policy    Policy
	Candidate election.Candidate // Holder is filled in for each campaign
	// Campaigns: false for `wait`.
	Campaigns bool
	Commander Commander
	// Stays: this replica goes on beside its app (run, sidecar): it registers, and renews while it watches. Otherwise one row
	// stands for all replicas of the set, of whose apps nobody knows.
	Stays bool
	// App is closed for a cutover; nil where there is nothing to do.
	App App
	// Beside makes a runner with connections of its own, for what a watching replica does beside watching; nil: nothing.
	Beside func() (*Runner, error)
	// Address tells where other replicas reach this one's long-poll, once connected; nil or empty: nowhere.
	Address  func() string
	Observer Observer
	Log      *zap.Logger
	// Timeout bounds waiting, never a running migration; 0 waits for ever.
	Timeout time.Duration
	// Rand jitters the backing off; nil: the program's own source. A simulation seeds it.
	Rand *rand.Rand
	// PauseFile pauses batches while it exists; empty: none.
	PauseFile string

	deadline time.Time
	since    int64 // last event at the first look
	planned  int64 // last event when the set was last compared with the history
	view     database.View
	lead     *election.Lead
	mint     database.Term // the mint under way: number is the term to be had
	term     database.Term
	left     database.Term // a term that was left without being fenced, as far as we knew
	session  database.Session
	plan     *Plan
	goal     goal
	backedUp bool // BEFORE has succeeded
	preflown bool // the role has what is planned
	id       string
	// registered is the moment before the latest registration was asked for, state what it said.
	registered time.Time
	state      string
	err        error  // why the end is not Opened
	lastErr    error  // what the latest attempt met, for the message of a timeout
	waits      int    // waits since the start, for growing the sleep
	looked     func() // ends our turn at the leader's turnstile; nil where it is not ours
	heard      string // the holder that gave it
	hiccups    int    // interruptions in a row
	shown      Snapshot
}

// goal is what a leader is there for: bringing the set into force, rolling back, answering a question.
type goal struct {
	// settled, if there is one, ends a run without open: there is nothing left to do.
	settled func(context.Context) bool
	// record, if there is one, takes a finished backfill instead of the session's own history.
	record func(context.Context, database.Change, time.Duration) error
	// open: a complete event ends it, and a schema that already fits does so without a campaign.
	open bool
	plan func(*ledger) (*Plan, error)
	// judge answers a census. yields: whoever leads already does what this is for.
	judge  judge
	yields bool
	// take says what to record before the plan is made, until it says nothing; nil with open: what another tool left.
	take func(context.Context, *ledger) (taking, error)
}

// Up returns nil when the gate may open.
func (r *Runner) Up(ctx context.Context) error {
	r.goal = goal{open: true, plan: func(l *ledger) (*Plan, error) {
		p := r.Policy
		// What a leader completed since our first look need not be run again for us.
		p.Always = p.Always && l.complete[r.Set.Digest] <= r.since && l.commands[r.Set.Digest] <= r.since
		if r.backedUp { // once a start, however often its plan is made anew
			p.Before = ""
		}
		return plan(r.Set, l, p, r.Database.Traits())
	}}
	return r.run(ctx)
}

// ReadWhole sees to it that Set has its migrations.
func (r *Runner) ReadWhole() error {
	if r.Whole == nil {
		return nil
	}
	set, err := r.Whole()
	if err != nil {
		return err
	}
	r.Set, r.Whole = set, nil
	return nil
}

func (r *Runner) run(ctx context.Context) error {
	r.since, r.planned = -1, -1
	if r.Timeout > 0 {
		r.deadline = time.Now().Add(r.Timeout)
	}
	defer r.turnOver()
	defer r.Database.Disconnect()
	r.shown.Did = election.Stopped
	s := election.Start(r.Campaigns)
	for !s.Phase.Ended() {
		e := r.act(ctx, s)
		next := election.Next(s, e)
		r.Log.Debug("step", zap.Stringer("phase", s.Phase), zap.Stringer("event", e.Kind), zap.Stringer("next", next.Phase))
		did := s.Phase
		s = next
		r.observe(func(n *Snapshot) {
			n.Did, n.Came, n.Phase, n.Leading = did, e.Kind, s.Phase, s.Term > 0
			if s.Term > 0 {
				n.Term = s.Term
			}
		})
	}
	if s.Phase != election.Opened && r.goal.open {
		r.Deregister(ctx)
	}
	switch s.Phase {
	case election.Opened:
		r.observe(func(n *Snapshot) {
			n.Open, n.Leader, n.Err = r.goal.open, "", nil
			if n.Plan == nil && n.Open {
				n.Plan = inForce(r.Set)
			}
		})
		return nil
	case election.TimedOut:
		return r.timedOut()
	case election.Stopped:
		return fmt.Errorf("%w: %w", ErrStopped, context.Cause(ctx))
	}
	return r.err
}

func (r *Runner) timedOut() error {
	if errors.Is(r.lastErr, database.ErrUnreachable) {
		return fmt.Errorf("%w for %v: %w", ErrTimeout, r.Timeout, r.lastErr)
	}
	why := "nobody completed the set"
	if l := r.view.Lease; l.Alive {
		why = fmt.Sprintf("%s is still leading", l.Replica)
	}
	if r.lastErr != nil {
		why += ": " + r.lastErr.Error()
	}
	return fmt.Errorf("%w after %v: %s; raise SCHEMAGATE_TIMEOUT if the migration needs longer", ErrTimeout, r.Timeout, why)
}

// act carries out the one action that the state asks for, and says what came of it.
func (r *Runner) act(ctx context.Context, s election.State) election.Event {
	if ctx.Err() != nil && s.Phase != election.Resign {
		return r.event(election.Stop)
	}
	if r.waiting(s.Phase) && !r.deadline.IsZero() && !time.Now().Before(r.deadline) {
		return r.event(election.Expired)
	}
	switch s.Phase {
	case election.Look:
		return r.look(ctx)
	case election.Wait:
		return r.wait(ctx, s)
	case election.Campaign:
		return r.campaign(ctx)
	case election.Mint:
		return r.takeTerm(ctx, s)
	case election.Drain:
		return r.settle(ctx, s, r.Database.Drain(ctx, r.term), election.Done)
	case election.Read:
		return r.read(ctx)
	case election.Work:
		return r.work(ctx, r.plan.Steps[s.Next])
	case election.Pause:
		r.sleep(ctx, r.backoff(s.Tries, 100*time.Millisecond, 5*time.Second))
		return r.event(election.Woke)
	case election.Complete:
		return r.complete(ctx)
	case election.Resign:
		return r.resign(ctx, s)
	}
	panic("runner: no action for phase " + s.Phase.String())
}

// waiting phases are bounded by the timeout; a running migration is not.
func (r *Runner) waiting(p election.Phase) bool {
	switch p {
	case election.Wait, election.Pause, election.Campaign:
		return true
	case election.Look, election.Mint, election.Drain:
		return r.lastErr != nil
	}
	return false
}

func (r *Runner) event(k election.Kind) election.Event {
	return election.Event{Kind: k, Led: r.lead != nil && r.lead.Alive()}
}

// fail ends the run with err: a person must act.
func (r *Runner) fail(err error) election.Event {
	r.err = err
	return r.event(election.Broke)
}

func (r *Runner) observe(change func(*Snapshot)) {
	change(&r.shown)
	if r.Observer != nil {
		r.Observer.Observe(r.shown)
	}
	r.shown.Applied, r.shown.Duration = "", 0
	for i := range r.shown.Backfills {
		r.shown.Backfills[i].Keys = 0 // told once
	}
	r.shown.Did, r.shown.Came = election.Stopped, 0
}

// sleep returns early when ctx ends.
func (r *Runner) sleep(ctx context.Context, d time.Duration) {
	if !r.deadline.IsZero() {
		d = min(d, max(0, time.Until(r.deadline)))
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// backoff grows from base to limit and is jittered over its upper half, so that a crowd spreads but nobody spins.
func (r *Runner) backoff(tries int, base, limit time.Duration) time.Duration {
	d := base << min(max(tries-1, 0), 16)
	if d > limit || d <= 0 {
		d = limit
	}
	if r.Rand != nil {
		return d/2 + time.Duration(r.Rand.Int64N(int64(d/2)+1))
	}
	return d/2 + rand.N(d/2+1)
}
