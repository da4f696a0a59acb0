package adopt

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/migrations"
)

// What a caller branches on.
var (
	// ErrRecord: the record and the set do not go together.
	ErrRecord = errors.New("another tool's record does not fit")
	// ErrUnfinished: the tool left a migration half-way; only a person can tell what is in force.
	ErrUnfinished = errors.New("another tool left a migration half-way")
)

// Problem is one reason not to take a record over.
type Problem struct {
	Msg, Remedy string
	// Unfinished makes it an ErrUnfinished, else it is an ErrRecord.
	Unfinished bool
}

func (p *Problem) Error() string { return p.Msg + ": " + p.Remedy }

// Is sorts the problem.
func (p *Problem) Is(target error) bool {
	return target == ErrUnfinished && p.Unfinished || target == ErrRecord && !p.Unfinished
}

// Taken is what a record comes to.
type Taken struct {
	// Tool and Table are empty where no tool left a record.
	Tool, Table string
	// Events are applied events, in the order of the set, then those that the set does not hold.
	Events []database.Event
	// Unknown are the versions among them that the set does not hold.
	Unknown []string
}

// NotePrefix starts the note of every event that is taken over.
const NotePrefix = "adopted from "

// entry is one migration that a tool recorded as applied.
type entry struct {
	version string // as the set spells it, where it is known there
	name    string
	at      string // when, in the tool's words
	m       *migrations.Migration
	// stale: a repeatable migration that has changed since.
	stale bool
}

// remedyBaseline is the way out of every problem with a record.
const remedyBaseline = "schemagate baseline V, which marks everything up to V as applied (0: nothing) and leaves the record alone"

// Read finds the record that the set's format stands for among the tables, and judges it.
func Read(set *migrations.Set, tables []database.ForeignTable) (*Taken, error) {
	var mine, others []found
	for _, t := range tables {
		tool := toolOf(t)
		if tool == nil || len(t.Rows) == 0 || tool.empty != nil && tool.empty(t) {
			continue
		}
		if f := (found{tool, t}); slices.Contains(tool.formats, set.Format) {
			mine = append(mine, f)
		} else {
			others = append(others, f)
		}
	}
	switch {
	case len(mine) == 0 && len(others) == 0:
		return &Taken{}, nil
	case len(mine) == 0:
		o := others[0]
		return nil, &Problem{Msg: fmt.Sprintf("the database holds the record of %s in %s, and the set is in the format %s", o.title(), o.table, set.Format),
			Remedy: "point SCHEMAGATE_MIGRATIONS at the files that it ran, rename or drop the table if it is out of use, or " + remedyBaseline}
	case len(mine) > 1:
		return nil, &Problem{Msg: fmt.Sprintf("the database holds two records for this set: of %s in %s and of %s in %s", mine[0].title(), mine[0].table, mine[1].title(), mine[1].table),
			Remedy: "rename or drop the table that is out of use, or " + remedyBaseline}
	}
	return mine[0].take(set)
}

type found struct {
	tool  *tool
	table database.ForeignTable
}

func (f found) title() string {
	if f.tool.alias != "" {
		return f.tool.name + " (or " + f.tool.alias + ")"
	}
	return f.tool.name
}

func (f found) take(set *migrations.Set) (*Taken, error) {
	entries, problems := f.tool.read(newIndex(set), f.table)
	out := &Taken{Tool: f.tool.name, Table: f.table.String()}
	known := 0
	for _, e := range entries {
		event := database.Event{Kind: database.Applied, Version: e.version, Name: e.name, Format: set.Format, Note: NotePrefix + f.tool.name}
		if e.at != "" {
			event.Note += " (" + e.at + ")"
		}
		if e.m == nil {
			out.Unknown = append(out.Unknown, e.version)
		} else {
			known++
			event.Version, event.Name, event.Checksum = e.m.Version, e.m.Name, e.m.Checksum
			if e.stale {
				event.Checksum = "changed since"
			}
			if e.m.Down != nil {
				event.Down = &e.m.Down.Text
			}
		}
		out.Events = append(out.Events, event)
	}
	if known == 0 && len(entries) > 0 && len(problems) == 0 {
		problems = append(problems, &Problem{Msg: fmt.Sprintf("%s's record in %s knows none of this set's migrations (it has %s)", f.tool.name, f.table, few(out.Unknown)),
			Remedy: "point SCHEMAGATE_MIGRATIONS at the files that it ran; where it is another service's, " + remedyBaseline})
	}
	place := make(map[string]int, len(set.Migrations)) // from the end; what is not in the set comes last
	for i, m := range set.Migrations {
		place[m.Version] = i - len(set.Migrations)
	}
	slices.SortStableFunc(out.Events, func(a, b database.Event) int { return cmp.Compare(place[a.Version], place[b.Version]) })
	return out, errors.Join(problems...)
}

func few(versions []string) string {
	if len(versions) > 5 {
		return strings.Join(versions[:5], ", ") + fmt.Sprintf(" and %d more", len(versions)-5)
	}
	return strings.Join(versions, ", ")
}

// Baseline returns the events that put everything up to the version in force without running it; "0" is nothing of it.
func Baseline(set *migrations.Set, version string) ([]database.Event, error) {
	at := -1
	if strings.Trim(version, "0") != "" {
		at = slices.IndexFunc(set.Migrations, func(m migrations.Migration) bool { return migrations.CompareVersions(m.Version, version) == 0 })
		if at < 0 {
			return nil, &Problem{Msg: fmt.Sprintf("baseline %s: the set has no such version", version), Remedy: "schemagate status lists them; 0 marks none"}
		}
	}
	var out []database.Event
	for i := range set.Migrations[:at+1] {
		m := &set.Migrations[i]
		if m.Repeatable {
			continue
		}
		e := database.Event{Kind: database.Applied, Version: m.Version, Name: m.Name, Checksum: m.Checksum, Format: m.Format, Note: "baseline"}
		if m.Down != nil {
			e.Down = &m.Down.Text
		}
		out = append(out, e)
	}
	return append(out, database.Event{Kind: database.Adopted, Note: "baseline " + version}), nil
}
