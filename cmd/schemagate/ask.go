package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/schemagate/schemagate/config"
	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/runner"
)

// askTimeout bounds the commands that only look: a person waits for them.
const askTimeout = 30 * time.Second

// inspect is what status, history and plan share.
func (c *cli) inspect(cmd *cobra.Command) (*config.Config, *runner.Runner, *runner.Report, error) {
	cfg, _, err := c.load(cmd, false)
	if err != nil {
		return nil, nil, nil, err
	}
	ctx, stop := signalled(cmd.Context())
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	r, err := c.build(ctx, cfg, false, zap.NewNop())
	if err != nil {
		return nil, nil, nil, err
	}
	report, err := r.Inspect(ctx)
	return cfg, r, report, err
}

type statusJSON struct {
	Service     string         `json:"service"`
	Database    string         `json:"database"`
	Gate        string         `json:"gate"`
	Reason      string         `json:"reason"`
	Digest      string         `json:"digest"`
	Term        int64          `json:"term"`
	Leader      string         `json:"leader"`
	LeaderAlive bool           `json:"leader_alive"`
	Applied     []string       `json:"applied"`
	Pending     []string       `json:"pending"`
	Ahead       []string       `json:"ahead"`
	Migrations  []lineJSON     `json:"migrations"`
	Misfit      string         `json:"misfit"`
	LastError   string         `json:"last_error"`
	Replicas    []replicaRow   `json:"replicas"`
	Backfills   []backfillJSON `json:"backfills"`
}

type lineJSON struct {
	Version    string     `json:"version"`
	Name       string     `json:"name"`
	State      string     `json:"state"`
	AppliedAt  *time.Time `json:"applied_at"`
	DurationMS int64      `json:"duration_ms"`
	Release    string     `json:"release"`
	WaitsFor   string     `json:"waits_for"`
}

type replicaRow struct {
	Name    string `json:"name"`
	Release string `json:"release"`
	Version string `json:"version"` // the last of its set
	State   string `json:"state"`
	AgeMS   int64  `json:"age_ms"` // since it was heard of
}

func (c *cli) statusCommand() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{Use: "status", Short: "Gate, leader, term, applied, pending, replicas",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, r, rep, err := c.inspect(cmd)
			if err != nil {
				return err
			}
			s := statusJSON{
				Service: cfg.Service, Database: r.Database.Traits().Name, Gate: "closed", Reason: rep.Why, Digest: r.Set.Digest,
				Term: rep.View.Fence.Number, Leader: rep.View.Lease.Replica, LeaderAlive: rep.View.Lease.Alive,
				Applied: strs(rep.Plan.Applied), Pending: strs(rep.Plan.Pending), Ahead: strs(rep.Plan.Ahead), Migrations: lines(rep.Plan),
				LastError: lastError(rep.Events), Backfills: backfillRows(rep.Backfills), Replicas: make([]replicaRow, 0, len(rep.Registry.Replicas)),
			}
			for _, row := range rep.Registry.Replicas {
				s.Replicas = append(s.Replicas, replicaRow{row.Name, row.Release, row.Version, row.State, row.AgeMS})
			}
			if rep.Open {
				s.Gate, s.Reason = "open", ""
			}
			if !s.LeaderAlive {
				s.Leader = ""
			}
			if rep.Misfit != nil {
				s.Misfit = rep.Misfit.Error()
			}
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), s)
			}
			return printStatus(cmd.OutOrStdout(), s)
		}}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	return cmd
}

func printStatus(w io.Writer, s statusJSON) error {
	leader := "nobody"
	if s.Leader != "" {
		leader = s.Leader
	}
	fmt.Fprintf(w, "service  %s (%s)\ngate     %s", s.Service, s.Database, s.Gate)
	if s.Reason != "" {
		fmt.Fprintf(w, ": %s", s.Reason)
	}
	fmt.Fprintf(w, "\nleader   %s, term %d\napplied  %d\npending  %d\n", leader, s.Term, len(s.Applied), len(s.Pending))
	if len(s.Ahead) > 0 {
		fmt.Fprintf(w, "ahead    %s (a newer release was here)\n", strings.Join(s.Ahead, " "))
	}
	if s.Misfit != "" {
		fmt.Fprintf(w, "misfit   %s\n", s.Misfit)
	}
	if s.LastError != "" {
		fmt.Fprintf(w, "error    %s\n", s.LastError)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nVERSION\tNAME\tSTATE\tAPPLIED\tTOOK\tRELEASE")
	for _, l := range s.Migrations {
		at, took := "", ""
		if l.AppliedAt != nil {
			at, took = l.AppliedAt.UTC().Format("2006-01-02 15:04:05"), (time.Duration(l.DurationMS) * time.Millisecond).String()
		}
		state := l.State
		if l.WaitsFor != "" {
			state += " (" + l.WaitsFor + ")"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", l.Version, l.Name, state, at, took, l.Release)
	}
	if len(s.Replicas) > 0 {
		fmt.Fprintln(t, "\nREPLICA\tRELEASE\tSTATE\tSET ENDS AT\tSEEN")
	}
	for _, r := range s.Replicas {
		name := r.Name
		if r.State == database.ReplicaInit {
			name = "(init-only, unknown)"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%v ago\n", name, r.Release, r.State, r.Version, (time.Duration(r.AgeMS) * time.Millisecond).Round(time.Second))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	return printBackfills(w, s.Backfills)
}

// strs makes an empty list of none, so that JSON says [] and never null.
func strs(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

func lines(p *runner.Plan) []lineJSON {
	out := make([]lineJSON, 0, len(p.Lines))
	for _, l := range p.Lines {
		j := lineJSON{Version: l.Version, Name: l.Name, State: l.State, DurationMS: l.Took.Milliseconds(), Release: l.Release, WaitsFor: l.WaitsFor}
		if !l.At.IsZero() {
			j.AppliedAt = &l.At
		}
		out = append(out, j)
	}
	return out
}

// lastError is the latest failure, unless something succeeded after it.
func lastError(events []database.Event) (text string) {
	for _, e := range events {
		switch e.Kind {
		case database.Failed:
			text = e.Error
		case database.Applied, database.Complete, database.RolledBack:
			text = ""
		}
	}
	return text
}

type stepJSON struct {
	Kind       string          `json:"kind"`
	Command    string          `json:"command,omitempty"`
	Migrations []migrationJSON `json:"migrations,omitempty"`
}

type migrationJSON struct {
	Version     string   `json:"version"`
	Name        string   `json:"name"`
	File        string   `json:"file"`
	Transaction bool     `json:"transaction"`
	Batches     string   `json:"batches,omitempty"`
	Statements  []string `json:"statements"`
	Verify      []string `json:"verify,omitempty"`
}

func (c *cli) planCommand() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{Use: "plan", Short: "What up would do, statement by statement; changes nothing",
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, _, rep, err := c.inspect(cmd)
			if err != nil {
				return err
			}
			steps := planned(rep.Plan)
			if asJSON {
				err = writeJSON(cmd.OutOrStdout(), struct {
					Steps    []stepJSON `json:"steps"`
					Pending  []string   `json:"pending"`
					Warnings []string   `json:"warnings"`
					Misfit   string     `json:"misfit"`
				}{steps, strs(rep.Plan.Pending), strs(rep.Plan.Warnings), errText(rep.Misfit)})
			} else {
				err = printPlan(cmd.OutOrStdout(), rep, steps)
			}
			if err == nil {
				err = rep.Misfit
			}
			return err
		}}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	return cmd
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func planned(p *runner.Plan) []stepJSON {
	out := make([]stepJSON, 0, len(p.Steps))
	for _, s := range p.Steps {
		j := stepJSON{Kind: string(s.Kind), Command: s.Command}
		for _, ch := range s.Changes {
			m := migrationJSON{Version: ch.Version, Name: ch.Name, File: ch.File, Transaction: !ch.NoTransaction, Batches: batchesOf(ch.Backfill), Statements: []string{}}
			for _, st := range ch.Statements[ch.From:] {
				m.Statements = append(m.Statements, st.SQL)
			}
			for _, st := range ch.Verify {
				m.Verify = append(m.Verify, st.SQL)
			}
			j.Migrations = append(j.Migrations, m)
		}
		out = append(out, j)
	}
	return out
}

func printPlan(w io.Writer, rep *runner.Report, steps []stepJSON) error {
	for _, warning := range rep.Plan.Warnings {
		fmt.Fprintln(w, "-- warning: "+warning)
	}
	for _, s := range steps {
		if s.Command != "" {
			fmt.Fprintf(w, "-- %s: %s\n\n", s.Kind, s.Command)
		}
		for _, m := range s.Migrations {
			how := "in one transaction"
			if m.Batches != "" {
				how = m.Batches + ", each with its place in one transaction"
			} else if !m.Transaction {
				how = "each statement by itself"
			} else if len(s.Migrations) > 1 {
				how = "in one transaction for the release"
			}
			fmt.Fprintf(w, "-- %s (%s)\n", m.File, how)
			for _, sql := range m.Statements {
				fmt.Fprintf(w, "%s;\n", strings.TrimSpace(sql))
			}
			for _, sql := range m.Verify {
				fmt.Fprintf(w, "-- verify: %s\n", sql)
			}
			fmt.Fprintln(w)
		}
	}
	for _, l := range rep.Plan.Lines {
		if l.State == runner.LineDeferred {
			fmt.Fprintf(w, "-- %s_%s does not gate this release; it waits for %s\n", l.Version, l.Name, l.WaitsFor)
		}
	}
	_, err := fmt.Fprintf(w, "-- %d applied, %d pending\n", len(rep.Plan.Applied), len(rep.Plan.Pending))
	return err
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

func (c *cli) validateCommand() *cobra.Command {
	withDatabase := false
	cmd := &cobra.Command{Use: "validate", Short: "Parse the set and compare it with the history; connects only with --database",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if withDatabase {
				_, r, rep, err := c.inspect(cmd)
				if err != nil {
					return err
				}
				if rep.Misfit != nil {
					return rep.Misfit
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d migrations fit the database: %d applied, %d pending\n",
					len(r.Set.Migrations), len(rep.Plan.Applied), len(rep.Plan.Pending))
				return err
			}
			cfg, _, err := c.load(cmd, true)
			if err != nil {
				return err
			}
			set, _, err := c.loadSet(cmd.Context(), cfg, zap.NewNop())
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d migrations (%s), digest %.12s\n", len(set.Migrations), set.Format, set.Digest)
			return err
		}}
	cmd.Flags().BoolVar(&withDatabase, "database", false, "compare with the database's history, too")
	return cmd
}
