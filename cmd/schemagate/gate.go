package main

import (
	"context"
	"errors"
	"log"
	"time"

	"go.uber.org/zap"

	"github.com/schemagate/schemagate/config"
	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/election"
	"github.com/schemagate/schemagate/health"
	"github.com/schemagate/schemagate/runner"
)

// gatekeeper joins a runner to the gate that the world sees.
type gatekeeper struct {
	cfg       *config.Config
	log       *zap.Logger
	terminal  *terminal
	gate      *health.Gate
	server    *health.Server
	run       *runner.Runner
	commander *commander
	spans     *spans
	served    chan struct{} // closed when the server has ended
	stop      context.CancelFunc
	listed    time.Time // when the migrations were last listed at the gate
}

// open builds everything that up, wait, run and sidecar share, and begins to serve health. strict: an address in use is an
// error, and not merely a warning, because nobody could see the gate.
func (c *cli) open(ctx context.Context, cfg *config.Config, warnings []string, strict bool) (*gatekeeper, error) {
	screen := newTerminal(cfg)
	logger := newLoggerAbove(screen, cfg, &c.redactor)
	for _, w := range warnings {
		logger.Warn(w)
	}
	k := &gatekeeper{cfg: cfg, log: logger, terminal: screen, gate: health.NewGate(), served: make(chan struct{})}
	k.gate.Update(func(s *health.Status) { s.Service, s.Release, s.Replica = cfg.Service, cfg.Release, cfg.Replica })
	if err := k.listen(ctx, strict); err != nil {
		return nil, err
	}
	var err error
	k.spans = c.traced(ctx, cfg, logger)
	if k.run, err = c.build(ctx, cfg, !strict, logger); err != nil {
		k.spans.finish(ctx, err)
		k.close(ctx)
		return nil, err
	}
	k.gate.Update(func(s *health.Status) { s.Digest, s.DatabaseKind = k.run.Set.Digest, k.run.Database.Traits().Name })
	k.spans.prepared(k.run.Database.Traits().Name)
	k.run.Observer = k
	k.commander = &commander{cfg: cfg, log: logger, redactor: &c.redactor}
	if n, ok := k.run.Database.(interface{ SessionName(database.Term) string }); ok {
		k.commander.session = n.SessionName
	}
	k.run.Commander = k.commander
	k.run.Address = func() string {
		if k.server == nil {
			return ""
		}
		return reachableAt(k.server.Addr(), k.run.Database)
	}
	return k, nil
}

func (k *gatekeeper) listen(ctx context.Context, strict bool) error {
	sctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	k.stop = stop
	if k.cfg.HTTPAddr == "off" {
		close(k.served)
		return nil
	}
	server := health.NewServer(k.gate, health.Options{Token: k.cfg.HTTPToken, ErrorLog: log.New(zapWriter{k.log}, "", 0)})
	if err := server.Listen(k.cfg.HTTPAddr); err != nil {
		close(k.served)
		if strict {
			stop()
			return errors.Join(config.ErrConfig, err)
		}
		k.log.Warn("no health endpoints", zap.Error(err))
		return nil
	}
	k.server = server
	go func() {
		defer close(k.served)
		if err := server.Serve(sctx); err != nil {
			k.log.Error("health endpoints ended", zap.Error(err))
		}
	}()
	return nil
}

// stay is how long a process goes on for those who wait at its long-poll, so that they look a few at a time. Who is not through
// by then looks at some time of its own.
const stay = 3 * time.Second

// close lets the waiters look, ends the server and waits for it.
func (k *gatekeeper) close(ctx context.Context) {
	k.gate.Dismiss()
	ctx = context.WithoutCancel(ctx)
	through, cancel := context.WithTimeout(ctx, stay)
	k.gate.Through(through)
	cancel()
	k.stop()
	<-k.served
	k.spans.close(ctx)
	if k.commander != nil {
		k.commander.close()
	}
	k.terminal.close()
	_ = k.log.Sync() // standard error can't be synced everywhere
}

// Observe shows the runner's state at the gate.
func (k *gatekeeper) Observe(n runner.Snapshot) {
	k.terminal.show(n)
	k.count(n)
	k.spans.observe(n)
	defer k.showBackfills(n.Backfills)
	if k.server == nil { // nobody can see it
		return
	}
	k.gate.Update(func(s *health.Status) {
		before := s.State
		s.State, s.Reason = stateOf(n, before)
		s.Role = health.Follower
		if n.Leading {
			s.Role = health.Leader
		}
		s.Leader, s.Term = n.Leader, n.Term
		s.Database.Reachable = n.Reachable
		s.LastError, s.Database.Note = "", ""
		if n.Err != nil {
			s.LastError = n.Err.Error()
			if !n.Reachable {
				s.Database.Note = n.Err.Error()
			}
		}
		s.CurrentMigration = nil
		if n.Current != "" {
			s.CurrentMigration = &health.CurrentMigration{Version: n.Current, StartedAt: n.Since, Progress: health.Progress{Total: health.Unknown, Unit: "statements"}}
		}
		if n.Replicas != nil {
			s.Replicas = make([]health.Replica, len(n.Replicas))
			for i, row := range n.Replicas {
				s.Replicas[i] = health.Replica{Name: row.Name, Release: row.Release, State: row.State,
					SeenAt: time.Now().Add(-time.Duration(row.AgeMS) * time.Millisecond)}
			}
		}
		// The list grows with the set, and so does the work of showing it: while the migrations of a large set fly by, it is not
		// made for each, and may lag behind by those of the last moment.
		if n.Plan != nil && (s.State != before || len(n.Plan.Lines) <= listAlways || time.Since(k.listed) > listEvery) {
			show(s, n)
			k.listed = time.Now()
		}
	})
}

// A set of up to listAlways migrations is listed at every change, a larger one every listEvery at most.
const (
	listAlways = 200
	listEvery  = 200 * time.Millisecond
)

// count feeds the metrics.
func (k *gatekeeper) count(n runner.Snapshot) {
	if n.Applied != "" {
		k.gate.ObserveMigration("applied", n.Duration)
	}
	switch {
	case n.Came == election.Fenced && n.Did != election.Stopped:
		k.gate.ObserveFenced()
	case n.Did == election.Mint && n.Came == election.Minted:
		k.gate.ObserveTerm()
	case n.Did == election.Look && n.Came == election.SawOpen:
		k.gate.ObserveLook(health.LookOpen)
	case n.Did == election.Look && n.Came == election.Unreachable:
		k.gate.ObserveLook(health.LookUnreachable)
	case n.Did == election.Look:
		k.gate.ObserveLook(health.LookNotYet)
	}
}

func stateOf(n runner.Snapshot, before health.State) (health.State, string) {
	switch {
	case n.Open:
		return health.Open, ""
	case n.Phase == election.Failed || n.Phase == election.TimedOut:
		return health.Failed, ""
	case before == health.Open || before == health.Closed && n.Phase.Ended():
		return health.Closed, n.Why
	case n.Leading:
		return health.Migrating, n.Current
	}
	return health.Waiting, n.Why
}

// show lists the set's migrations as the plan has them. Behind an open gate whatever gates the release is in force, whoever
// applied it.
func show(s *health.Status, n runner.Snapshot) {
	s.Applied, s.Pending = 0, 0
	s.Migrations = make([]health.Migration, 0, len(n.Plan.Lines))
	for _, l := range n.Plan.Lines {
		m := health.Migration{Version: l.Version, Name: l.Name, State: health.MigrationPending, AppliedAt: l.At,
			DurationMS: l.Took.Milliseconds(), Release: l.Release, WaitsFor: l.WaitsFor}
		if l.State == runner.LineApplied || n.Open && l.State != runner.LineDeferred {
			m.State = health.MigrationApplied
			s.Applied++
		} else {
			s.Pending++
		}
		s.Migrations = append(s.Migrations, m)
	}
}

type zapWriter struct{ log *zap.Logger }

func (z zapWriter) Write(b []byte) (int, error) {
	z.log.Debug(string(b))
	return len(b), nil
}
