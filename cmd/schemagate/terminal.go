package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/schemagate/schemagate/config"
	"github.com/schemagate/schemagate/runner"
)

const (
	barWidth = 24
	// longTable is how many rows the table at the end has at most: a screen.
	longTable = 40
)

// terminal shows a person how far the migrations are: a bar on the last line, beneath the log, and a table at the end. Nobody
// else gets one: the log says the same in lines.
type terminal struct {
	mu   sync.Mutex
	out  io.Writer
	bar  string // stands on the last line
	rows []row
	// ended: the app's own output follows.
	ended bool
}

type row struct {
	name string
	took time.Duration
}

// newTerminal is nil where standard error is no terminal, or is to have the log as JSON.
func newTerminal(cfg *config.Config) *terminal {
	if cfg.LogFormat == "json" || os.Getenv("TERM") == "dumb" || !term.IsTerminal(int(os.Stderr.Fd())) {
		return nil
	}
	return &terminal{out: os.Stderr}
}

// Write lets a line of the log pass above the bar.
func (t *terminal) Write(line []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	bar := t.bar
	t.draw("")
	n, err := t.out.Write(line)
	t.draw(bar)
	return n, err
}

// show takes the runner's state; a nil terminal shows nothing.
func (t *terminal) show(n runner.Snapshot) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return
	}
	if n.Applied != "" {
		t.rows = append(t.rows, row{n.Applied, n.Duration})
	}
	switch {
	case n.Open || n.Plan == nil && n.Leader == "":
		t.draw("")
	case n.Leading && n.Plan != nil && len(n.Plan.Lines) > 0:
		applied := 0
		for _, l := range n.Plan.Lines {
			if l.State == runner.LineApplied {
				applied++
			}
		}
		t.draw(progress(applied, len(n.Plan.Lines), n.Current, n.Since))
	case !n.Leading && n.Leader != "":
		t.draw(fmt.Sprintf("waiting for %s, term %d", n.Leader, n.Term))
	}
}

// progress is the bar's line.
func progress(applied, all int, current string, since time.Time) string {
	full := barWidth * applied / all
	text := fmt.Sprintf("[%s%s] %d/%d", strings.Repeat("#", full), strings.Repeat(".", barWidth-full), applied, all)
	if current != "" {
		text += "  " + current + ", since " + since.Format(time.TimeOnly)
	}
	return text
}

// draw replaces the last line. It is called with mu held.
func (t *terminal) draw(bar string) {
	if bar == t.bar {
		return
	}
	t.bar = bar
	_, _ = io.WriteString(t.out, "\r\x1b[K"+bar) // a terminal that is gone is noticed by the signal it sends
}

// close takes the bar away for good and writes the table of what this replica has applied.
func (t *terminal) close() {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.draw("")
	t.ended = true
	if len(t.rows) == 0 {
		return
	}
	var b strings.Builder
	var total time.Duration
	for _, r := range t.rows {
		total += r.took
	}
	fmt.Fprintf(&b, "\n  %-50s %12s\n", "APPLIED", "TOOK")
	rows := t.rows
	if more := len(rows) - longTable; more > 0 {
		fmt.Fprintf(&b, "  (%d more)\n", more)
		rows = rows[more:]
	}
	for _, r := range rows {
		fmt.Fprintf(&b, "  %-50s %12s\n", r.name, rounded(r.took))
	}
	fmt.Fprintf(&b, "  %-50s %12s\n\n", fmt.Sprintf("%d in all", len(t.rows)), rounded(total))
	t.rows = nil
	_, _ = io.WriteString(t.out, b.String())
}

// rounded leaves the digits that a person reads.
func rounded(d time.Duration) time.Duration {
	switch {
	case d >= time.Minute:
		return d.Round(time.Second)
	case d >= time.Second:
		return d.Round(10 * time.Millisecond)
	}
	return d.Round(10 * time.Microsecond)
}
