package runner

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/schemagate/schemagate/adopt"
	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/election"
)

// work carries out one step. What is fenced runs on when the lead is lost meanwhile; what only the lease protects ends.
func (r *Runner) work(ctx context.Context, st Step) election.Event {
	if st.Kind == StepBefore || st.Kind == StepAfter || st.Kind == StepCommand {
		return r.command(ctx, st)
	}
	if err := r.openSession(ctx); err != nil {
		return r.outcome(ctx, st, err)
	}
	switch st.Kind {
	case StepCensus:
		return r.census(ctx, st)
	case StepCutover:
		return r.quiesce(ctx, st)
	case StepRecord:
		err := r.session.Record(ctx, st.Event)
		if err == nil {
			r.Log.Info("recorded", zap.String("event", string(st.Event.Kind)), zap.String("version", st.Event.Version), zap.String("note", st.Event.Note))
			return r.event(election.Done)
		}
		return r.outcome(ctx, st, err)
	}
	if st.Kind == StepBackfill {
		return r.backfill(ctx, st)
	}
	return r.apply(ctx, st)
}

// mark records that the command is about to run.
func (r *Runner) mark(ctx context.Context) error {
	if err := r.openSession(ctx); err != nil {
		return err
	}
	return r.session.Record(ctx, database.Event{Kind: database.Running, Name: string(StepCommand), Digest: r.Set.Digest})
}

func (r *Runner) openSession(ctx context.Context) error {
	if r.session != nil {
		return nil
	}
	s, err := r.Database.Lead(ctx, r.term, database.Origin{Release: r.Candidate.Release, Replica: r.Candidate.Replica})
	if err != nil {
		return err
	}
	r.session = s
	return nil
}

func (r *Runner) closeSession() {
	if r.session != nil {
		r.session.Close()
		r.session = nil
	}
}

func (r *Runner) apply(ctx context.Context, st Step) election.Event {
	changes := make([]database.Change, len(st.Changes))
	copy(changes, st.Changes)
	unfenced := !r.Database.Traits().Fenced
	for i := range changes {
		c := &changes[i]
		unfenced = unfenced || c.NoTransaction
		if at := r.plan.undecided[c.Version]; at > 0 {
			if err := r.decide(ctx, c, at); err != nil {
				return r.outcome(ctx, st, err)
			}
		}
	}
	if err := r.unsettled(ctx, changes[0]); err != nil {
		return r.outcome(ctx, st, err)
	}
	wctx := ctx
	if unfenced {
		var cancel context.CancelFunc
		wctx, cancel = joined(database.WithTrust(ctx, r.lead.Deadline), r.lead.Context())
		defer cancel()
	}
	verb := "applying"
	if st.Kind == StepUndo {
		verb = "rolling back"
	}
	names := title(st)
	r.observe(func(n *Snapshot) { n.Current, n.Since = names, time.Now() })
	r.Log.Info(verb, zap.String("migration", names), zap.Int64("term", r.term.Number))
	began := time.Now()
	err := r.session.Apply(wctx, changes...)
	took := time.Since(began)
	r.observe(func(n *Snapshot) { n.Current = "" })
	if err != nil && !errors.Is(err, database.ErrNotPending) {
		return r.outcome(ctx, st, err)
	}
	for _, c := range changes {
		delete(r.plan.undecided, c.Version)
		r.plan.mark(c.Version, took/time.Duration(len(changes)), r.Candidate.Release)
		r.observe(func(n *Snapshot) { n.Applied, n.Duration = c.Version, took })
	}
	result := map[StepKind]string{StepApply: "applied", StepUndo: "rolled back"}[st.Kind]
	if err != nil {
		result = "in the history already"
	}
	r.Log.Info(result, zap.String("migration", names), zap.Duration("took", took), zap.Int64("term", r.term.Number))
	r.lastErr, r.hiccups = nil, 0
	return r.event(election.Done)
}

// joined ends with either context and keeps the cause of the one that ended it.
func joined(ctx, other context.Context) (context.Context, context.CancelFunc) {
	out, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(other, func() { cancel(context.Cause(other)) })
	return out, func() { stop(); cancel(nil) }
}

// decide settles whether the statement that may have run outside a transaction did.
func (r *Runner) decide(ctx context.Context, c *database.Change, at int) error {
	if at > len(c.Statements) {
		return fmt.Errorf("%w: %s: the file has no statement %d any more", ErrNeedsResolve, c.File, at)
	}
	done, err := r.session.Probe(ctx, c.Statements[at-1])
	switch {
	case err == nil && done:
		c.From = at
	case err == nil, errors.Is(err, database.ErrUndecided) && c.Idempotent:
		c.From = at - 1
	case errors.Is(err, database.ErrUndecided):
		return fmt.Errorf("%w: %s:%d: this statement runs outside a transaction and was interrupted; whether it took effect can't be told. "+
			"Look at the schema, then type one of:  schemagate resolve %s --from-statement %d  (it did),  "+
			"schemagate resolve %s --from-statement %d  (it did not),  schemagate resolve %s --applied  (all of the file is done)",
			ErrNeedsResolve, c.File, c.Statements[at-1].Line, c.Version, at+1, c.Version, at, c.Version)
	default:
		return err
	}
	return nil
}

// outcome sorts the error of a step.
func (r *Runner) outcome(ctx context.Context, st Step, err error) election.Event {
	switch {
	case errors.Is(err, database.ErrFenced):
		return r.fenced(err)
	case errors.Is(err, ErrNeedsResolve):
		return r.fail(err)
	case errors.As(err, new(*database.LeftError)):
		return r.notSettled(ctx, st, err)
	case ctx.Err() != nil:
		r.interrupted(ctx, st, context.Cause(ctx))
		return r.event(election.Stop)
	case errors.Is(err, database.ErrBlocked):
		r.Log.Info("a lock was not had in time; letting go and trying again", zap.String("migration", title(st)), zap.Error(err))
		r.lastErr = err
		return r.event(election.Blocked)
	}
	if passing(err) {
		if ferr := r.overtaken(ctx); ferr != nil {
			return r.fenced(ferr)
		}
	}
	switch {
	case errors.Is(err, database.ErrUnknown):
		r.Log.Warn("outcome unknown; the history will tell", zap.String("migration", title(st)), zap.Error(err))
		r.hiccup(ctx, err)
		return r.event(election.Unknown)
	case passing(err), r.lead != nil && !r.lead.Alive() && r.unfenced(st):
		r.Log.Warn("interrupted", zap.String("migration", title(st)), zap.Error(err))
		r.hiccup(ctx, err)
		return r.event(election.Interrupted)
	case errors.Is(err, database.ErrConfig):
		return r.fail(err)
	}
	return r.failed(ctx, st, err)
}

// overtaken reads the fence, which comes before any other question when something broke: whose term is it? No answer is no
// news; the next write asks again.
func (r *Runner) overtaken(ctx context.Context) error {
	short, cancel := context.WithTimeout(ctx, settleFor)
	defer cancel()
	v, err := r.Database.Look(short, database.Query{Digest: r.Set.Digest, Since: -1})
	if err != nil || !v.Ready {
		return nil
	}
	return r.term.Check(v.Fence)
}

// hiccup backs off before the step is planned afresh under a new term, so that what interrupts it again and again is not
// chased.
func (r *Runner) hiccup(ctx context.Context, err error) {
	r.lastErr = err
	r.hiccups++
	r.sleep(ctx, r.backoff(r.hiccups, 50*time.Millisecond, 5*time.Second))
}

func (r *Runner) unfenced(st Step) bool {
	return len(st.Changes) == 0 || !r.Database.Traits().Fenced || st.Changes[0].NoTransaction
}

// failed records what is the step's own fault, under the fence, so that followers of the same set fail with it.
func (r *Runner) failed(ctx context.Context, st Step, err error) election.Event {
	e := r.blame(st, err)
	e.Kind, e.Error = database.Failed, err.Error()
	var se *database.StatementError
	if errors.As(err, &se) {
		e.Code = se.Code
		if missing(se.Code, se.Message) && se.Hint == "" {
			se.Hint = adopt.Hint(se.Message)
			e.Error = err.Error()
		}
	}
	r.err = &FailedError{Event: e, Err: err}
	r.Log.Error("failed", zap.String("migration", title(st)), zap.Error(err))
	if rerr := r.record(ctx, e); rerr != nil {
		if errors.Is(rerr, database.ErrFenced) {
			return r.fenced(rerr)
		}
		r.Log.Warn("the failure could not be recorded", zap.Error(rerr))
	}
	if r.goal.judge != nil { // a contract that failed asks for no floor
		if lerr := r.lowerFloor(context.WithoutCancel(ctx)); lerr != nil {
			r.Log.Warn("the floor could not be lowered; the next replica that watches does it", zap.Error(lerr))
		}
	}
	return r.event(election.Broke)
}

// interrupted notes on the way out that nobody is to blame; the fence and the history do without it.
func (r *Runner) interrupted(ctx context.Context, st Step, cause error) {
	e := r.blame(st, cause)
	e.Kind, e.Error = database.Interrupted, cause.Error()
	if l := len(st.Changes); l == 1 && st.Changes[0].NoTransaction {
		return // its running events say how far it came
	}
	if err := r.record(ctx, e); err != nil {
		r.Log.Debug("the interruption could not be recorded", zap.Error(err))
	}
}

func (r *Runner) record(ctx context.Context, e database.Event) error {
	short, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleFor)
	defer cancel()
	err := errors.New("no session")
	if r.session != nil {
		err = r.session.Record(short, e)
	}
	if err != nil && !errors.Is(err, database.ErrFenced) {
		r.closeSession()
		if err = r.openSession(short); err == nil {
			err = r.session.Record(short, e)
		}
	}
	return err
}

// blame makes an event that names the change at fault.
func (r *Runner) blame(st Step, err error) database.Event {
	e := database.Event{Digest: r.Set.Digest, Name: string(st.Kind)}
	if len(st.Changes) == 0 {
		return e
	}
	c := st.Changes[0]
	var ce *database.ChangeError
	if errors.As(err, &ce) {
		for _, x := range st.Changes {
			if x.Version == ce.Version {
				c = x
			}
		}
	}
	e.Version, e.Name, e.Checksum = c.Version, c.Name, c.Checksum
	return e
}

func title(st Step) string {
	if len(st.Changes) == 0 {
		return string(st.Kind)
	}
	names := make([]string, len(st.Changes))
	for i, c := range st.Changes {
		names[i] = c.Version
		if c.Name != "" {
			names[i] += "_" + c.Name
		}
	}
	if len(names) > 3 {
		return fmt.Sprintf("%s … %s (%d)", names[0], names[len(names)-1], len(names))
	}
	return strings.Join(names, ", ")
}

// command runs what only the lease protects: it ends with the lead.
func (r *Runner) command(ctx context.Context, st Step) election.Event {
	wctx, cancel := joined(ctx, r.lead.Context())
	defer cancel()
	r.Log.Info("running", zap.String("command", string(st.Kind)), zap.Int64("term", r.term.Number))
	r.observe(func(n *Snapshot) { n.Current, n.Since = string(st.Kind), time.Now() })
	began := time.Now()
	if st.Kind == StepCommand && r.plan.cutover { // from here on nobody can tell what took effect
		if err := r.mark(ctx); err != nil {
			return r.outcome(ctx, st, err)
		}
	}
	var tail, note string
	var err error
	if st.Kind == StepBefore {
		note, tail, st, err = r.backUp(wctx, st)
	} else {
		tail, err = r.Commander.Command(wctx, st.Kind, st.Command, r.term)
	}
	took := time.Since(began)
	r.observe(func(n *Snapshot) { n.Current = "" })
	if err != nil {
		if wctx.Err() != nil && ctx.Err() == nil {
			err = fmt.Errorf("%w: %w", database.ErrInterrupted, context.Cause(wctx))
		} else if tail != "" {
			err = fmt.Errorf("%w: %s", err, tail)
		}
		return r.outcome(ctx, st, err)
	}
	r.Log.Info("ran", zap.String("command", string(st.Kind)), zap.Duration("took", took))
	if st.Kind == StepAfter {
		return r.event(election.Done)
	}
	e := database.Event{Kind: database.Applied, Name: string(st.Kind), Digest: r.Set.Digest, Duration: took}
	if st.Kind == StepBefore {
		e.Kind, e.Note = database.Backup, note
	}
	if err := r.openSession(ctx); err != nil {
		return r.outcome(ctx, st, err)
	}
	if err := r.session.Record(ctx, e); err != nil {
		return r.outcome(ctx, st, err)
	}
	r.backedUp = r.backedUp || st.Kind == StepBefore
	return r.event(election.Done)
}
