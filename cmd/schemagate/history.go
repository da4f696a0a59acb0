package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/schemagate/schemagate/config"
	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/internal/spell"
	"github.com/schemagate/schemagate/migrations"
	"github.com/schemagate/schemagate/runner"
)

// eventJSON is one line of `history --json`; docs/history.md promises its fields.
type eventJSON struct {
	database.Event
	DurationMS float64        `json:"duration_ms"`
	Result     string         `json:"result"`
	Backup     *runner.Backup `json:"backup,omitempty"`
}

// kinds are what --kind takes.
func kinds() []string {
	var out []string
	for _, k := range []database.Kind{database.Running, database.Applied, database.Failed, database.Interrupted, database.RolledBack, database.Complete,
		database.Hold, database.Resolved, database.Floor, database.CutoverBegan, database.CutoverEnded, database.Backup,
		database.Adopted, database.HandedBack} {
		out = append(out, string(k))
	}
	return out
}

// eventFilter is what an auditor asks for; the zero value is everything.
type eventFilter struct {
	since   time.Time
	version string
	kinds   []string
}

func newEventFilter(since, version, kind string, now time.Time) (f eventFilter, err error) {
	f.version = version
	if since != "" {
		if f.since, err = moment(since, now); err != nil {
			return f, err
		}
	}
	for k := range strings.SplitSeq(kind, ",") {
		if k = strings.ReplaceAll(strings.TrimSpace(k), "-", " "); k == "" {
			continue
		}
		if !slices.Contains(kinds(), k) {
			hint := "known are " + strings.Join(kinds(), ", ")
			if n := spell.Nearest(k, kinds()); n != "" {
				hint = "did you mean " + n + "?"
			}
			return f, fmt.Errorf("%w: history --kind %s: no event is of that kind; %s", config.ErrUsage, k, hint)
		}
		f.kinds = append(f.kinds, k)
	}
	return f, nil
}

// moment reads 36h, 2026-11-21 or 2026-11-21T04:00:00Z.
func moment(text string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%w: history --since %s: write how long ago (36h), a date (2026-01-31, in UTC) or a moment (2026-01-31T13:00:00Z)", config.ErrUsage, text)
}

func (f eventFilter) has(e database.Event) bool {
	return !e.At.Before(f.since) && (f.version == "" || e.Version != "" && migrations.CompareVersions(e.Version, f.version) == 0) &&
		(len(f.kinds) == 0 || slices.Contains(f.kinds, string(e.Kind)))
}

func (c *cli) historyCommand() *cobra.Command {
	var asJSON bool
	var since, version, kind string
	cmd := &cobra.Command{Use: "history", Short: "Who ran what, when, in which release and term, for how long, with what result",
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := newEventFilter(since, version, kind, time.Now())
			if err != nil {
				return err
			}
			_, _, rep, err := c.inspect(cmd)
			if err != nil {
				return err
			}
			events := slices.DeleteFunc(rep.Events, func(e database.Event) bool { return !f.has(e) })
			if !asJSON {
				return printHistory(cmd.OutOrStdout(), events)
			}
			out := make([]eventJSON, 0, len(events))
			for _, e := range events {
				j := eventJSON{Event: e, DurationMS: float64(e.Duration.Microseconds()) / 1000, Result: string(e.Kind)}
				if b, ok := runner.BackupOf(e); ok {
					j.Backup = &b
				}
				out = append(out, j)
			}
			return writeJSON(cmd.OutOrStdout(), out)
		}}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON; docs/history.md has the fields")
	cmd.Flags().StringVar(&since, "since", "", "events since then: 36h, 2026-01-31 or 2026-01-31T13:00:00Z")
	cmd.Flags().StringVar(&version, "version", "", "events of this version")
	cmd.Flags().StringVar(&kind, "kind", "", "events of these kinds, with commas: "+strings.Join(kinds(), ", "))
	return cmd
}

func printHistory(w io.Writer, events []database.Event) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "AT\tRESULT\tMIGRATION\tTERM\tRELEASE\tREPLICA\tTOOK\tNOTE")
	for _, e := range events {
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\n", e.At.UTC().Format("2006-01-02 15:04:05.000"), e.Kind,
			migrationOf(e), e.Term, e.Release, e.Replica, e.Duration.Round(time.Millisecond), noteOf(e))
	}
	return t.Flush()
}

func migrationOf(e database.Event) string {
	switch {
	case e.Version != "" && e.Name != "":
		return e.Version + "_" + e.Name
	case e.Digest != "" && e.Version == "":
		return "set " + e.Digest[:min(12, len(e.Digest))]
	}
	return e.Version + e.Name
}

// noteOf is what a line of the table has room for.
func noteOf(e database.Event) string {
	if b, ok := runner.BackupOf(e); ok {
		return b.String()
	}
	for _, t := range []string{e.Error, e.Note} {
		if t != "" {
			line, _, _ := strings.Cut(t, "\n")
			return line
		}
	}
	return ""
}
