package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/schemagate/schemagate/config"
	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/election"
	"github.com/schemagate/schemagate/runner"
	"github.com/schemagate/schemagate/trace"
)

// flushFor is the longest that the end of a start waits for the collector.
const flushFor = time.Second

// spans makes a trace of one start from what the runner shows; it takes one action after the other, so that each begins where
// the last one ended. A nil one does nothing.
type spans struct {
	trace *trace.Trace
	root  *trace.Span
	log   *zap.Logger
	hide  func(string) string // masks what is secret

	last    time.Duration // when the latest action ended
	current string        // the migration or command of this action
	applied []string      // versions of this action
	waiting *trace.Span   // nil while this replica does not wait
	looks   int64         // while waiting
	leader  string        // for whom
	broke   *trace.Span   // what ended the start, until its error is known
	brokeAt time.Duration
	flushed chan struct{} // closed when finish has sent everything; nil before
}

// traced begins the trace of a start, where a variable asks for one. What is wrong with those is a warning: the app's own
// tracing may read more of them than we do.
func (c *cli) traced(ctx context.Context, cfg *config.Config, log *zap.Logger) *spans {
	settings, err := trace.FromEnviron(c.environ)
	if err != nil {
		log.Warn("no traces", zap.Error(err))
	}
	if settings == nil {
		return nil
	}
	for _, secret := range settings.Secrets() {
		c.redactor.Add(secret)
	}
	settings.Default("service.name", "schemagate")
	settings.Default("service.version", cfg.Release)
	settings.Default("service.instance.id", cfg.Replica)
	t := trace.Start(ctx, settings)
	s := &spans{trace: t, root: t.Root("schemagate start"), log: log, hide: c.redactor.String}
	s.root.Set("schemagate.service", cfg.Service)
	s.root.Set("schemagate.release", cfg.Release)
	s.root.Set("schemagate.replica", cfg.Replica)
	return s
}

// observe notes what the runner shows.
func (s *spans) observe(n runner.Snapshot) {
	if s == nil || s.flushed != nil {
		return
	}
	if n.Applied != "" {
		s.applied = append(s.applied, n.Applied)
	}
	if n.Current != "" {
		s.current = n.Current
	}
	if n.Did == election.Stopped {
		return
	}
	begin, now := s.last, s.trace.Now()
	s.last = now
	if s.folded(n) {
		return
	}
	s.waited(begin)
	span := s.root.Child(s.hide(spanName(n.Did, s.current)), begin)
	span.Set("schemagate.outcome", n.Came.String())
	if n.Leading {
		span.Set("schemagate.term", n.Term)
	}
	if n.Did == election.Work && s.current != "" && !isCommand(s.current) {
		span.Set("schemagate.migration", s.hide(s.current))
		if len(s.applied) > 0 {
			span.Set("schemagate.migration.versions", strings.Join(s.applied, ","))
		}
	}
	s.current, s.applied = "", nil
	switch {
	case n.Came == election.Broke:
		s.broke, s.brokeAt = span, now
		return
	case n.Came == election.Unreachable && n.Err != nil:
		span.Fail(s.hide(n.Err.Error()))
	case n.Came == election.Fenced:
		span.Fail("another replica has taken over")
	}
	span.End(now)
	if n.Phase == election.Wait {
		s.waiting, s.looks, s.leader = s.root.Child("wait", now), 0, n.Leader
	}
}

// folded makes one span of all the waiting and looking until something else happens, or else a follower would send one a second.
func (s *spans) folded(n runner.Snapshot) bool {
	if s.waiting == nil || n.Did > election.Campaign || n.Phase > election.Campaign {
		return false
	}
	if n.Did == election.Look {
		s.looks++
	}
	if n.Leader != "" {
		s.leader = n.Leader
	}
	return true
}

// waited ends the waiting, if there is one.
func (s *spans) waited(at time.Duration) {
	if s.waiting == nil {
		return
	}
	s.waiting.Set("schemagate.looks", s.looks)
	if s.leader != "" {
		s.waiting.Set("schemagate.leader", s.leader)
	}
	s.waiting.End(at)
	s.waiting = nil
}

// prepared ends what comes before the first look: the set is read, the database found.
func (s *spans) prepared(kind string) {
	if s == nil {
		return
	}
	s.last = s.trace.Now()
	s.root.Set("db.system.name", kind)
	s.root.Child("prepare", 0).End(s.last)
}

// finish ends the trace with the start, and sends it in the background.
func (s *spans) finish(ctx context.Context, err error) {
	if s == nil || s.flushed != nil {
		return
	}
	now := s.trace.Now()
	s.waited(now)
	failed := []*trace.Span{s.root}
	if s.broke != nil {
		failed = append(failed, s.broke)
	}
	if err != nil {
		code := ""
		if se := (*database.StatementError)(nil); errors.As(err, &se) {
			code = se.Code
		}
		s.root.Set("schemagate.exit_code", int64(exitCode(err)))
		for _, span := range failed {
			span.Fail(s.hide(err.Error()))
			if code != "" {
				span.Set("db.response.status_code", code)
			}
		}
	}
	if s.broke != nil {
		s.broke.End(s.brokeAt)
	}
	s.root.End(now)
	s.flushed = make(chan struct{})
	go func() {
		defer close(s.flushed)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushFor)
		defer cancel()
		if err := s.trace.Close(ctx); err != nil {
			s.log.Warn("no traces", zap.Error(err))
		}
	}()
}

// close waits until the trace is sent, or given up.
func (s *spans) close(ctx context.Context) {
	if s == nil {
		return
	}
	s.finish(ctx, nil)
	<-s.flushed
}

func isCommand(current string) bool {
	switch runner.StepKind(current) {
	case runner.StepBefore, runner.StepAfter, runner.StepCommand:
		return true
	}
	return false
}

// spanName says in the words of docs/concepts.md what was done.
func spanName(did election.Phase, current string) string {
	switch {
	case did == election.Mint:
		return "take over"
	case did == election.Read:
		return "plan"
	case did == election.Pause:
		return "wait for a lock"
	case did == election.Work && isCommand(current):
		return strings.ToUpper(current)
	case did == election.Work && current != "":
		return "migrate " + current
	case did == election.Work:
		return "record"
	}
	return did.String()
}
