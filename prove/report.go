package prove

import (
	"fmt"
	"io"
	"sort"
	"strings"
	"time"

	"github.com/schemagate/schemagate/database"
)

// Report is what came of a proof. Its fields are what `schemagate test --json` prints.
type Report struct {
	// Result is passed or failed.
	Result     string       `json:"result"`
	Database   string       `json:"database"`
	DurationMS float64      `json:"duration_ms"`
	Migrations []*Migration `json:"migrations"`
	// Swept are the leftovers of a crash that were dropped.
	Swept []string `json:"swept"`
}

// Migration is one migration's part of it.
type Migration struct {
	Version    string  `json:"version"`
	Name       string  `json:"name"`
	File       string  `json:"file"`
	Reversible bool    `json:"reversible"`
	Result     string  `json:"result"`
	DurationMS float64 `json:"duration_ms"`
	Steps      []*Step `json:"steps"`
}

// Step is one thing that was done with a migration.
type Step struct {
	// Step is fixture, up, twice, check, down or up again.
	Step       string  `json:"step"`
	DurationMS float64 `json:"duration_ms"`
	Error      string  `json:"error,omitempty"`
	// Differences are lines like "+ index public.orders_at: CREATE INDEX ...": what is there (+) and should not be, is missing (-), or is
	// another than it should be (~).
	Differences []string `json:"differences,omitempty"`
}

// The results of a report and of a migration in it.
const (
	Passed     = "passed"
	Failed     = "failed"
	NotReached = "not reached"
)

// The steps.
const (
	fixture = "fixture"
	up      = "up"
	twice   = "twice"
	check   = "check"
	down    = "down"
	again   = "up again"
)

func (s *Step) failed() bool { return s.Error != "" || len(s.Differences) > 0 }

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// settle sums up.
func (r *Report) settle() {
	r.Result = Passed
	for _, m := range r.Migrations {
		m.Result = NotReached
		for _, s := range m.Steps {
			m.DurationMS += s.DurationMS
			if m.Result != Failed {
				m.Result = Passed
			}
			if s.failed() {
				m.Result = Failed
			}
		}
		if m.Result != Passed {
			r.Result = Failed
		}
	}
}

// meaning is how a step's differences are to be read.
var meaning = map[string]string{
	twice: "running it twice changed the schema",
	down:  "the way back does not restore the schema",
	again: "going up again gives another schema",
}

// Write prints the report for people.
func (r *Report) Write(w io.Writer) error {
	irreversible, failed := 0, 0
	for _, m := range r.Migrations {
		var took []string
		for _, s := range m.Steps {
			took = append(took, fmt.Sprintf("%s %s", s.Step, rounded(s.DurationMS)))
		}
		note := ""
		if !m.Reversible {
			irreversible++
			note = "  no way back: down was not tried"
		}
		fmt.Fprintf(w, "%-11s  %s  %s%s\n", m.Result, m.File, strings.Join(took, ", "), note)
		if m.Result == Failed {
			failed++
		}
		for _, s := range m.Steps {
			if s.Error != "" {
				fmt.Fprintf(w, "    %s: %s\n", s.Step, s.Error)
			}
			if len(s.Differences) > 0 {
				fmt.Fprintf(w, "    %s: %s (+ too much, - missing, ~ another):\n", s.Step, meaning[s.Step])
			}
			for _, d := range s.Differences {
				fmt.Fprintf(w, "      %s\n", d)
			}
		}
	}
	for _, name := range r.Swept {
		fmt.Fprintf(w, "dropped %s, which a crash had left\n", name)
	}
	_, err := fmt.Fprintf(w, "%s: %d migrations on %s in %s, %d failed, %d without a way back\n", r.Result, len(r.Migrations), r.Database, rounded(r.DurationMS), failed, irreversible)
	return err
}

func rounded(ms float64) string {
	return time.Duration(ms * float64(time.Millisecond)).Round(time.Millisecond).String()
}

// differences tells what got has and want has not, the other way round, and what is another. What is in ignore by name is left out.
func differences(want, got database.Objects, ignore map[string]bool) (lines []string) {
	for name, def := range got {
		switch have, ok := want[name]; {
		case ignore[name]:
		case !ok:
			lines = append(lines, "+ "+name+": "+short(def))
		case have != def:
			lines = append(lines, "~ "+name+": "+changed(have, def))
		}
	}
	for name, def := range want {
		if _, ok := got[name]; !ok && !ignore[name] {
			lines = append(lines, "- "+name+": "+short(def))
		}
	}
	sort.Slice(lines, func(i, j int) bool { return lines[i][2:] < lines[j][2:] })
	return lines
}

// short is a definition on one line, without its end where it is long.
func short(def string) string {
	const most = 120
	def = strings.Join(strings.Fields(def), " ")
	if len(def) <= most {
		return def
	}
	return strings.ToValidUTF8(def[:most], "") + "…"
}

// changed shows both definitions, from a little before where they part.
func changed(have, now string) string {
	i := 0
	for i < len(have) && i < len(now) && have[i] == now[i] {
		i++
	}
	if i = max(0, i-20); i == 0 {
		return short(have) + "  is now  " + short(now)
	}
	return strings.ToValidUTF8("…"+short(have[i:])+"  is now  …"+short(now[i:]), "")
}
