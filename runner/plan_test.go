package runner

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/migrations"
)

var traits = database.Traits{Name: "test", Fenced: true, ReleaseTransaction: true}

func migration(version string, statements ...string) migrations.Migration {
	m := migrations.Migration{Version: version, Name: "m" + version, Checksum: "sum" + version,
		Up: migrations.Script{File: version + ".up.sql", Language: "sql"}}
	for i, s := range statements {
		m.Up.Statements = append(m.Up.Statements, migrations.Statement{SQL: s, Line: i + 1})
	}
	return m
}

func setOf(ms ...migrations.Migration) *migrations.Set {
	digest := "digest"
	for _, m := range ms {
		digest += "-" + m.Version
	}
	return &migrations.Set{Migrations: ms, Digest: digest + strings.Repeat(".", 12)}
}

// history numbers events as a database would.
func history(events ...database.Event) *ledger {
	for i := range events {
		events[i].ID = int64(i + 1)
	}
	return fold(events)
}

func event(kind database.Kind, version string) database.Event {
	return database.Event{Kind: kind, Version: version, Checksum: "sum" + version}
}

func TestPlan(t *testing.T) {
	applied, failed, undone, hold := database.Applied, database.Failed, database.RolledBack, database.Hold
	partly := event(database.Running, "2")
	partly.Done, partly.Prefix = 1, database.Prefix([]database.Statement{{SQL: "a"}})
	trying := partly
	trying.Trying = 2
	mended := partly
	mended.Prefix = "another"
	changed := event(applied, "1")
	changed.Checksum = "other"
	resolved := event(database.Resolved, "2")
	resolved.Note = database.ResolvedApplied
	retried := event(database.Resolved, "2")
	retried.Note = database.ResolvedRetry
	contractual := migration("3")
	contractual.Phase, contractual.After = migrations.Contract, "2"
	view := migration("R__view")
	view.Repeatable, view.Checksum = true, "new"
	two := migration("2", "a", "b", "c")
	two.Up.NoTransaction = true
	floor := event(database.Floor, "2")

	for name, tc := range map[string]struct {
		set      *migrations.Set
		history  []database.Event
		policy   Policy
		pending  []string
		from     int
		warns    string
		err      error
		says     string
		undecide int
	}{
		"an empty history": {set: setOf(migration("1"), migration("2")), pending: []string{"1", "2"}},
		"one spelling is as good as the other": {set: setOf(migration("0001"), migration("2")), pending: []string{"2"},
			history: []database.Event{{Kind: applied, Version: "1", Checksum: "sum0001"}}},
		"a failure changes nothing":                 {set: setOf(migration("1")), history: []database.Event{event(failed, "1")}, pending: []string{"1"}},
		"changed after it was applied":              {set: setOf(migration("1")), history: []database.Event{changed}, err: ErrSet, says: "changed after it was applied"},
		"rolled back without a hold":                {set: setOf(migration("1")), history: []database.Event{event(applied, "1"), event(undone, "1")}, pending: []string{"1"}},
		"rolled back with a hold":                   {set: setOf(migration("1")), history: []database.Event{event(applied, "1"), event(undone, "1"), event(hold, "1")}, err: ErrSet, says: "up --again"},
		"a hold that is lifted":                     {set: setOf(migration("1")), history: []database.Event{event(applied, "1"), event(undone, "1"), event(hold, "1")}, policy: Policy{Again: true}, pending: []string{"1"}},
		"a schema that is ahead":                    {set: setOf(migration("1")), history: []database.Event{event(applied, "1"), event(applied, "9")}},
		"out of order":                              {set: setOf(migration("1"), migration("2")), history: []database.Event{event(applied, "2")}, pending: []string{"1"}, warns: "out of order"},
		"partly done goes on":                       {set: setOf(two), history: []database.Event{partly}, pending: []string{"2"}, from: 1},
		"partly done, the rest unknown":             {set: setOf(two), history: []database.Event{trying}, pending: []string{"2"}, from: 1, undecide: 2},
		"partly done and mended before it":          {set: setOf(two), history: []database.Event{mended}, err: ErrNeedsResolve, says: "--from-statement"},
		"resolved as applied":                       {set: setOf(two), history: []database.Event{trying, resolved}},
		"resolved to be run again":                  {set: setOf(two), history: []database.Event{trying, retried}, pending: []string{"2"}},
		"a contract does not gate":                  {set: setOf(migration("1"), contractual), pending: []string{"1"}},
		"below the floor":                           {set: setOf(migration("1")), history: []database.Event{floor}, err: ErrSet, says: "deploy a release that has 2"},
		"a repeatable that changed":                 {set: setOf(migration("1"), view), history: []database.Event{event(applied, "1"), event(applied, "R__view")}, pending: []string{"R__view"}},
		"an older image's repeatable stays":         {set: setOf(migration("1"), view), history: []database.Event{event(applied, "1"), event(applied, "9"), event(applied, "R__view")}},
		"one transaction can't hold a file without": {set: setOf(two), policy: Policy{OneTransaction: true}, err: database.ErrConfig, says: "SCHEMAGATE_TRANSACTION=release", pending: []string{"2"}},
	} {
		p, err := plan(tc.set, history(tc.history...), tc.policy, traits)
		if !errors.Is(err, tc.err) || err != nil && !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: got error %v, want %v that says %q", name, err, tc.err, tc.says)
			continue
		}
		if err == nil && !slices.Equal(p.Pending, tc.pending) {
			t.Errorf("%s: pending %v, want %v", name, p.Pending, tc.pending)
		}
		if got := strings.Join(p.Warnings, "\n"); !strings.Contains(got, tc.warns) || tc.warns == "" && got != "" {
			t.Errorf("%s: warnings %q, want %q", name, got, tc.warns)
		}
		if tc.from > 0 && p.Steps[0].Changes[0].From != tc.from {
			t.Errorf("%s: goes on from %d, want %d", name, p.Steps[0].Changes[0].From, tc.from)
		}
		if p.undecided["2"] != tc.undecide {
			t.Errorf("%s: statement %d is undecided, want %d", name, p.undecided["2"], tc.undecide)
		}
	}
}

func TestStepsStandInTheirOrder(t *testing.T) {
	set := setOf(migration("1"), migration("2"))
	for name, tc := range map[string]struct {
		policy Policy
		l      *ledger
		want   []StepKind
	}{
		"backup, migrations, check": {Policy{Before: "b", After: "a"}, history(), []StepKind{StepBefore, StepApply, StepApply, StepAfter}},
		"one transaction":           {Policy{OneTransaction: true}, history(), []StepKind{StepApply}},
		"nothing to back up for":    {Policy{Before: "b", After: "a"}, history(event(database.Applied, "1"), event(database.Applied, "2")), []StepKind{StepAfter}},
		"complete":                  {Policy{Before: "b", After: "a"}, history(event(database.Applied, "1"), event(database.Applied, "2"), database.Event{Kind: database.Complete, Digest: set.Digest}), nil},
	} {
		p, err := plan(set, tc.l, tc.policy, traits)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []StepKind
		for _, s := range p.Steps {
			got = append(got, s.Kind)
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}

func TestContractRaisesTheFloorFirst(t *testing.T) {
	c := migration("3")
	c.Phase, c.After = migrations.Contract, "2"
	set := setOf(migration("1"), migration("2"), c)
	if _, err := contractPlan(set, history(event(database.Applied, "1")), Policy{}, traits); !errors.Is(err, ErrSet) {
		t.Errorf("with a migration pending that gates: %v", err)
	}
	p, err := contractPlan(set, history(event(database.Applied, "1"), event(database.Applied, "2")), Policy{}, traits)
	if err != nil {
		t.Fatal(err)
	}
	var got []StepKind
	for _, s := range p.Steps {
		got = append(got, s.Kind)
	}
	if want := []StepKind{StepCensus, StepRecord, StepCensus, StepApply}; !slices.Equal(got, want) {
		t.Fatalf("steps %v, want %v", got, want)
	}
	if f := p.Steps[1].Event; f.Kind != database.Floor || f.Version != "2" || f.Name != "3" || p.Steps[3].Changes[0].Version != "3" {
		t.Errorf("steps %+v", p.Steps)
	}
}

func TestUndoGoesBackInTheOrderOfApplying(t *testing.T) {
	down := "drop table x"
	apply := func(version string) database.Event {
		e := event(database.Applied, version)
		e.Down, e.Format = &down, "native"
		return e
	}
	l := history(apply("1"), apply("3"), apply("2"))
	for name, tc := range map[string]struct {
		how  Rollback
		want []string
	}{
		"one":           {Rollback{Steps: 1}, []string{"2"}},
		"two":           {Rollback{Steps: 2}, []string{"2", "3"}},
		"more than are": {Rollback{Steps: 9}, []string{"2", "3", "1"}},
		"to a version":  {Rollback{To: "1"}, []string{"2", "3"}},
		"to the start":  {Rollback{To: "0"}, []string{"2", "3", "1"}},
	} {
		tc.how.Dialect = migrations.Postgres
		p, err := undo(l, tc.how, Policy{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !slices.Equal(p.Pending, tc.want) {
			t.Errorf("%s: %v, want %v", name, p.Pending, tc.want)
		}
	}
	if _, err := undo(l, Rollback{To: "7"}, Policy{}); !errors.Is(err, ErrSet) {
		t.Errorf("to a version that is not in force: %v", err)
	}
	l = history(apply("1"), event(database.Applied, "2"))
	if p, err := undo(l, Rollback{Steps: 2}, Policy{}); !errors.Is(err, ErrSet) || !strings.Contains(err.Error(), "2_") || len(p.Steps) != 0 {
		t.Errorf("an irreversible migration: %v", err)
	}
}
