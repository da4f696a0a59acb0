package lint

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// ErrFindings says that there are findings at or above the limit that was asked for.
var ErrFindings = errors.New("lint: there are findings")

// Fail is ErrFindings with their number where any is at least as bad as limit, else nil.
func (r *Result) Fail(limit Severity) error {
	n := r.Worst(limit)
	if n == 0 {
		return nil
	}
	return fmt.Errorf("%w: %d at or above %s", ErrFindings, n, limit)
}

// WriteText writes the findings for people, each with a line that editors and terminals can follow.
func (r *Result) WriteText(w io.Writer) error {
	b := &strings.Builder{}
	bySeverity := map[Severity]int{}
	for _, f := range r.Findings {
		bySeverity[f.Severity]++
		fmt.Fprintf(b, "%s:%d: %s: %s [%s]\n", f.File, f.Line, f.Severity, f.Message, f.Rule)
		fmt.Fprintf(b, "    %s\n    safe: %s\n    more: %s\n\n", f.effect(), f.Safe, f.Doc)
	}
	fmt.Fprintf(b, "%s linted: ", count(r.Linted, "migration"))
	if len(r.Findings) == 0 {
		b.WriteString("nothing found")
	}
	comma := ""
	for _, s := range []Severity{Error, Warning, Info} {
		if n := bySeverity[s]; n > 0 {
			what := count(n, string(s))
			if s == Info {
				what = fmt.Sprintf("%d %s", n, s)
			}
			b.WriteString(comma + what)
			comma = ", "
		}
	}
	if n := len(r.Silenced); n > 0 {
		fmt.Fprintf(b, ", %d silenced", n)
	}
	_, err := io.WriteString(w, b.String()+"\n")
	return err
}

// effect is what the lock is, and what it does to others.
func (f Finding) effect() string {
	text := "blocks " + f.Blocks
	if f.Lock != "" {
		text = f.Lock
		if f.Table != "" {
			text += " on " + f.Table
		}
		text += ": blocks " + f.Blocks
	}
	if f.Rewrites {
		text += "; writes the whole table anew"
	}
	return text
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// WriteJSON writes all of the result.
func (r *Result) WriteJSON(w io.Writer) error {
	return write(w, struct {
		Linted   int       `json:"linted"`
		Findings []Finding `json:"findings"`
		Silenced []Finding `json:"silenced"`
	}{r.Linted, append([]Finding{}, r.Findings...), append([]Finding{}, r.Silenced...)})
}

func write(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
