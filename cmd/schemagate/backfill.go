package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/schemagate/schemagate/backfill"
	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/election"
	"github.com/schemagate/schemagate/health"
	"github.com/schemagate/schemagate/migrations"
	"github.com/schemagate/schemagate/runner"
)

// wishCommand leaves the operator's word about a backfill; whoever moves its data obeys between two batches.
func (c *cli) wishCommand(name, short, wish, done string) *cobra.Command {
	return &cobra.Command{Use: name + " V", Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, r, rep, err := c.inspect(cmd)
			if err != nil {
				return err
			}
			store, ok := r.Database.(database.Backfills)
			if !ok || !rep.View.Ready {
				return fmt.Errorf("%w: %s %s: nothing has been migrated here yet", runner.ErrSet, name, args[0])
			}
			version, err := backfillNamed(r, rep, args[0])
			if err != nil {
				return fmt.Errorf("%w: %s %s: %w", runner.ErrSet, name, args[0], err)
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), askTimeout)
			defer cancel()
			defer r.Database.Disconnect()
			if err := store.Wish(ctx, cfg.Service, version, wish, cfg.Replica); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", version, done)
			return err
		}}
}

func (c *cli) wishCommands() []*cobra.Command {
	return []*cobra.Command{
		c.wishCommand("pause", "Pause a data migration between two batches", database.WishPause, "pauses after the batch under way; schemagate resume goes on"),
		c.wishCommand("resume", "Go on with a data migration that was paused or cancelled, or has failed", "", "goes on at its cursor"),
		c.wishCommand("cancel", "Give up a data migration between two batches; what is done stays done", database.WishCancel,
			"ends after the batch under way; it stays unapplied, and schemagate resume would go on with it"),
	}
}

// backfillNamed finds the version as it is recorded.
func backfillNamed(r *runner.Runner, rep *runner.Report, version string) (string, error) {
	for _, p := range rep.Backfills {
		if migrations.CompareVersions(p.Version, version) == 0 {
			if p.State == string(backfill.Done) {
				return "", fmt.Errorf("it is done")
			}
			return p.Version, nil
		}
	}
	m, ok := r.Set.Find(version)
	switch {
	case !ok:
		return "", fmt.Errorf("this release's set has no such version")
	case m.Up.Backfill == nil:
		return "", fmt.Errorf("%s does not move data in batches", m.Up.File)
	}
	return m.Version, nil
}

// batchOf is a report as the gate shows it.
func batchOf(p backfill.Report) health.Batch {
	b := health.Batch{Version: p.Version, Done: p.Walked, Total: p.Total, Rate: p.Rate, ETAS: p.ETA.Seconds(), State: p.State, ThrottledBy: p.Reason}
	if p.ETA < 0 {
		b.ETAS = health.Unknown
	}
	if p.State == string(backfill.Failed) {
		b.ThrottledBy = ""
	}
	return b
}

// showBatches puts the reports in their places; those of others stay.
func showBatches(s *health.Status, reports []backfill.Report) {
	for _, p := range reports {
		b, found := batchOf(p), false
		for i := range s.Batches {
			if s.Batches[i].Version == b.Version {
				s.Batches[i], found = b, true
			}
		}
		if !found {
			s.Batches = append(s.Batches, b)
		}
		if m := s.CurrentMigration; m != nil && len(m.Version) >= len(p.Version) && m.Version[:len(p.Version)] == p.Version {
			m.Progress = health.Progress{Done: p.Walked, Total: p.Total, Unit: "rows"}
			m.Note = p.Reason
		}
	}
}

// backgroundObserver shows what the background's leader does.
type backgroundObserver struct{ k *gatekeeper }

func (o backgroundObserver) Observe(n runner.Snapshot) { o.k.showBackfills(n.Backfills) }

func (k *gatekeeper) showBackfills(reports []backfill.Report) {
	for _, p := range reports {
		k.gate.ObserveBatch(p.Version, int64(p.Keys))
	}
	if k.server != nil && len(reports) > 0 {
		k.gate.Update(func(s *health.Status) { showBatches(s, reports) })
	}
}

// background joins what moves background backfills; nil where the set has none. Each of its two runners has a database and an
// elector of its own, since the gate's are in use.
func (k *gatekeeper) background() (*runner.Background, error) {
	if !k.run.HasBackground() {
		return nil, nil
	}
	mine := func(service string) (*runner.Runner, error) {
		cfg := *k.cfg
		cfg.Service = service
		log := k.log.With(zap.String("lease", service))
		db, elector, err := connect(&cfg, log)
		if err != nil {
			return nil, err
		}
		return &runner.Runner{Database: db, Elector: elector, Set: k.run.Set, Log: log, Campaigns: true, Policy: k.run.Policy,
			Candidate: election.Candidate{Replica: k.cfg.Replica, Release: k.cfg.Release}, PauseFile: k.cfg.PauseFile}, nil
	}
	worker, err := mine(runner.BackgroundService(k.cfg.Service))
	if err != nil {
		return nil, err
	}
	main, err := mine(k.cfg.Service)
	if err != nil {
		return nil, err
	}
	worker.Observer = backgroundObserver{k}
	return &runner.Background{Worker: worker, Main: main, Show: k.showBackfills}, nil
}

// startBackground moves background backfills until ctx ends; wait returns once it has ended.
func (k *gatekeeper) startBackground(ctx context.Context) (wait func(), err error) {
	b, err := k.background()
	if b == nil || err != nil {
		return func() {}, err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := b.Run(ctx, false); err != nil && ctx.Err() == nil {
			k.log.Warn("background work ended", zap.Error(err))
		}
	}()
	return func() { <-done }, nil
}

// leaveBackground is the end of `up`: what is left is carried out at once if that was asked for, else only told.
func (k *gatekeeper) leaveBackground(ctx context.Context, carryOut bool) error {
	if !k.run.HasBackground() {
		return nil
	}
	if carryOut {
		b, err := k.background()
		if err != nil {
			return err
		}
		return b.Run(ctx, true)
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	left, err := k.run.BackgroundLeft(ctx)
	if err != nil {
		k.log.Warn("background migrations could not be counted", zap.Error(err))
	} else if left > 0 {
		k.log.Info(fmt.Sprintf("%d background migration(s) left; run and sidecar replicas, or schemagate up --background, carry them out", left))
	}
	return nil
}

// backfillJSON is one line of status.
type backfillJSON struct {
	Version   string    `json:"version"`
	State     string    `json:"state"`
	Reason    string    `json:"reason"`
	Done      int64     `json:"done"`
	Total     int64     `json:"total"`
	Left      int64     `json:"left"`
	Changed   int64     `json:"changed"`
	Batches   int64     `json:"batches"`
	Pass      int       `json:"pass"`
	PerSecond float64   `json:"per_second"`
	ETAS      float64   `json:"eta_s"`
	Replica   string    `json:"replica"`
	UpdatedAt time.Time `json:"updated_at"`
}

// backfillRows tells rates over the time spent in batches, since one look has no other.
func backfillRows(list []database.Progress) []backfillJSON {
	out := make([]backfillJSON, 0, len(list))
	for _, p := range list {
		j := backfillJSON{Version: p.Version, State: p.State, Reason: p.Reason, Done: p.Walked, Total: p.Total, Left: database.Unknown, Changed: p.Changed,
			Batches: p.Batches, Pass: p.Pass, ETAS: health.Unknown, Replica: p.Replica, UpdatedAt: p.UpdatedAt}
		if p.Total >= 0 {
			j.Left = max(0, p.Total-p.Walked)
		}
		if p.ActiveMS > 0 {
			j.PerSecond = float64(p.Walked) / float64(p.ActiveMS) * 1000
			if j.Left >= 0 && j.PerSecond > 0 {
				j.ETAS = float64(j.Left) / j.PerSecond
			}
		}
		out = append(out, j)
	}
	return out
}

func printBackfills(w io.Writer, list []backfillJSON) error {
	if len(list) == 0 {
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nBATCHES OF\tSTATE\tDONE\tLEFT\tPER SECOND\tTIME LEFT\tWHY")
	for _, b := range list {
		left, eta := "unknown", ""
		if b.Left >= 0 {
			left = fmt.Sprint(b.Left)
		}
		if b.ETAS >= 0 && b.State != string(backfill.Done) {
			eta = time.Duration(b.ETAS * float64(time.Second)).Round(time.Second).String()
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%.0f\t%s\t%s\n", b.Version, b.State, b.Done, left, b.PerSecond, eta, b.Reason)
	}
	return t.Flush()
}

// batchesOf says in the plan how a backfill goes about its table.
func batchesOf(b *database.Backfill) string {
	if b == nil {
		return ""
	}
	how := fmt.Sprintf("in batches over %s", b.Table)
	if b.Where != "" {
		how += " where " + b.Where
	}
	return how
}
