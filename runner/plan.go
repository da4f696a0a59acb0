package runner

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/migrations"
)

// StepKind says what a step does.
type StepKind string

// The kinds of step, in the order in which a plan has them.
const (
	StepBefore   StepKind = "before"
	StepApply    StepKind = "apply"
	StepCommand  StepKind = "command"
	StepUndo     StepKind = "roll back"
	StepRecord   StepKind = "record"
	StepAfter    StepKind = "after"
	StepCutover  StepKind = "cutover" // announce it, and wait until older releases have stopped
	StepCensus   StepKind = "census"  // ask the registry whether anybody stands in the way
	StepBackfill StepKind = "backfill"
)

// Step is one thing that a leader does.
type Step struct {
	Kind    StepKind
	Changes []database.Change // apply, roll back: one transaction
	Command string
	Event   database.Event // record; census: the floor; cutover: the announcement, none where it stands
}

// Plan is what a leader would do, and what it knows on the way.
type Plan struct {
	Steps []Step
	// Applied and Pending are the set's versions in force and those that gate this release.
	Applied, Pending []string
	// Ahead are versions in force that this set does not hold: a newer release was here.
	Ahead []string
	// Lines are the set's migrations, in order, as the history knows them.
	Lines []Line
	lines map[string]int // where each stands, by key; made when the first is marked
	// Warnings are what an operator should know, and what stops nothing.
	Warnings []string
	// Complete: the set's own complete event stands.
	Complete bool
	// cutover: a cutover of this set is planned or announced. succeeds: some other set was complete before, so that older replicas
	// may live. floor is the one in force.
	cutover, succeeds bool
	floor             string
	// undecided are changes whose statement Trying may have run; the session's Probe settles them.
	undecided map[string]int
}

// Line is one migration of the set.
type Line struct {
	Version, Name string
	// State is applied, pending, deferred (it does not gate this release) or partial (begun outside a transaction).
	State   string
	At      time.Time
	Took    time.Duration
	Release string
	// WaitsFor says what a deferred migration waits for.
	WaitsFor string
}

// The states of a Line.
const (
	LineApplied  = "applied"
	LinePending  = "pending"
	LineDeferred = "deferred"
	LinePartial  = "partial"
)

func (p *Plan) mark(version string, took time.Duration, release string) {
	if p.lines == nil {
		p.lines = make(map[string]int, len(p.Lines))
		for i, l := range p.Lines {
			p.lines[key(l.Version)] = i
		}
	}
	if i, ok := p.lines[key(version)]; ok {
		l := &p.Lines[i]
		l.State, l.Took, l.At, l.Release = LineApplied, took, time.Now(), release
	}
}

// Policy is what the settings say of planning.
type Policy struct {
	Service          string
	Phase            migrations.Phase // of a migration that names none
	LockTimeout      time.Duration
	StatementTimeout time.Duration
	Before, After    string
	// BackupVerify has to succeed after Before.
	BackupVerify string
	// Command replaces the set's own migrations: it is due when the set's digest is not complete.
	Command string
	// Always runs Command at every leader's start.
	Always bool
	// OneTransaction: SCHEMAGATE_TRANSACTION=release.
	OneTransaction bool
	// Again lifts holds.
	Again bool
	// Init says what an init-only replica of an older release is taken for.
	Init InitPolicy
	// Source says where the set came from; the complete event notes it.
	Source string
}

// plan compares the set with the history. The error joins every misfit.
func plan(set *migrations.Set, l *ledger, p Policy, traits database.Traits) (*Plan, error) {
	out := &Plan{undecided: map[string]int{}, floor: l.floor, succeeds: l.lastDone > 0}
	var problems []error
	mine := make(map[string]bool, len(set.Migrations))
	latest := -1 // the place in the set of the last migration in force
	for i, m := range set.Migrations {
		k := key(m.Version)
		mine[k] = true
		if r := l.byKey[k]; r != nil && r.applied != nil && !m.Repeatable {
			latest = i
		}
	}
	for _, k := range l.order {
		if !mine[k] {
			out.Ahead = append(out.Ahead, l.byKey[k].version)
		}
	}
	if err := belowFloor(set, l.floor); err != nil {
		problems = append(problems, err)
	}
	ending, err := abandoned(set, l)
	if err != nil {
		problems = append(problems, err)
	}
	behind := len(out.Ahead) > 0 // an older image must not put its repeatable migrations back
	var changes []database.Change
	cut := -1        // the first change that older releases must be stopped for
	unfinished := "" // the first migration that a contract behind it waits for
	for i, m := range set.Migrations {
		r := l.byKey[key(m.Version)]
		inForce := r != nil && r.applied != nil
		if inForce && (!m.Repeatable || behind || r.applied.Checksum == m.Checksum) {
			out.Applied = append(out.Applied, m.Version)
			out.Lines = append(out.Lines, Line{m.Version, m.Name, LineApplied, r.applied.At, r.applied.Duration, r.applied.Release, ""})
			if !m.Repeatable && r.applied.Checksum != "" && r.applied.Checksum != m.Checksum {
				problems = append(problems, misfit("%s: changed after it was applied on %s (recorded checksum %.12s, the file's is %.12s): "+
					"restore the file as it was and write a new migration, or roll it back first (schemagate down --to the version before)",
					m.Up.File, r.applied.At.UTC().Format("2006-01-02"), r.applied.Checksum, m.Checksum))
			}
			continue
		}
		if r != nil && r.heldSums[m.Checksum] && !p.Again {
			problems = append(problems, misfit("%s: on hold since it was rolled back: deploy a release without it or with a mended file, "+
				"or apply it again with schemagate up --again", m.Up.File))
			continue
		}
		if deferred(m) {
			out.Lines = append(out.Lines, Line{Version: m.Version, Name: m.Name, State: LineDeferred, WaitsFor: waitsFor(m, unfinished)})
			if background(m) && unfinished == "" {
				unfinished = m.ID()
			}
			continue
		}
		if unfinished == "" {
			unfinished = m.ID()
		}
		if i < latest && !m.Repeatable && l.undone[key(m.Version)] == 0 {
			out.Warnings = append(out.Warnings, fmt.Sprintf("%s is out of order: %s is in force already; it is applied now",
				m.Up.File, set.Migrations[latest].Version))
		}
		c := change(m, p)
		if c.Backfill != nil {
			c.Backfill.Since = l.undone[key(m.Version)]
		}
		if inForce {
			c.Repeat = true
		}
		if r != nil {
			c.Version = r.version // one spelling in the history
			if err := resume(&c, r); err != nil {
				problems = append(problems, err)
				continue
			}
			if r.trying > 0 {
				out.undecided[c.Version] = r.trying
			}
		}
		line := Line{Version: m.Version, Name: m.Name, State: LinePending}
		if c.From > 0 || out.undecided[c.Version] > 0 {
			line.State = LinePartial
		}
		out.Lines = append(out.Lines, line)
		out.Pending = append(out.Pending, m.Version)
		if m.Phase == migrations.Cutover && cut < 0 {
			cut = len(changes)
		}
		changes = append(changes, c)
	}
	if len(problems) > 0 {
		return out, errors.Join(problems...)
	}
	if p.OneTransaction {
		if err := oneTransaction(changes, traits); err != nil {
			return out, err
		}
	}
	out.Complete = l.isComplete(set)
	if l.commands[set.Digest] > 0 && !p.Always {
		p.Command = "" // it succeeded; what came after it did not
	}
	command := p.Command != "" && (p.Always || !out.Complete)
	if command && p.Phase == migrations.Cutover {
		cut = 0
	}
	under := l.cutover.Under && ending == nil
	out.cutover = under || cut >= 0
	var announce *Step
	if cut >= 0 {
		announce = &Step{Kind: StepCutover}
		if !under || l.cutover.Digest != set.Digest {
			announce.Event = database.Event{Kind: database.CutoverBegan, Digest: set.Digest}
		}
	}
	out.Steps = steps(changes, p, command, out.Complete, cut, announce)
	if ending != nil {
		out.Steps = append([]Step{*ending}, out.Steps...)
	}
	return out, nil
}

// steps puts the changes in their order; cutting over begins before the change cut.
func steps(changes []database.Change, p Policy, command, complete bool, cut int, announce *Step) (out []Step) {
	if p.Before != "" && (command || len(changes) > 0) {
		out = append(out, Step{Kind: StepBefore, Command: p.Before})
	}
	if announce != nil && (p.OneTransaction || len(changes) == 0) {
		out = append(out, *announce)
	}
	if p.OneTransaction && len(changes) > 0 {
		out = append(out, Step{Kind: StepApply, Changes: changes})
	} else {
		for i, c := range changes {
			if i == cut && announce != nil {
				out = append(out, *announce)
			}
			out = append(out, stepOf(c))
		}
	}
	if command {
		out = append(out, Step{Kind: StepCommand, Command: p.Command})
	}
	if p.After != "" && (!complete || len(out) > 0) {
		out = append(out, Step{Kind: StepAfter, Command: p.After})
	}
	return out
}

// inForce is what an open gate says by itself, without the history: everything that gates the set has been applied.
func inForce(set *migrations.Set) *Plan {
	out := &Plan{Complete: true}
	for _, m := range set.Migrations {
		l := Line{Version: m.Version, Name: m.Name, State: LineApplied}
		if deferred(m) {
			l.State, l.WaitsFor = LineDeferred, waitsFor(m, "")
		} else {
			out.Applied = append(out.Applied, m.Version)
		}
		out.Lines = append(out.Lines, l)
	}
	return out
}

func belowFloor(set *migrations.Set, floor string) error {
	if floor == "" || len(set.Migrations) == 0 {
		return nil
	}
	if last := set.Migrations[len(set.Migrations)-1].Version; migrations.CompareVersions(last, floor) < 0 {
		return misfit("this release's set ends at %s, and the schema has left everything before %s behind: deploy a release that has %s", last, floor, floor)
	}
	return nil
}

func oneTransaction(changes []database.Change, traits database.Traits) error {
	if !traits.ReleaseTransaction {
		return fmt.Errorf("%w: SCHEMAGATE_TRANSACTION=release: %s can't hold several migrations in one transaction; use SCHEMAGATE_TRANSACTION=migration",
			database.ErrConfig, traits.Name)
	}
	for _, c := range changes {
		if c.NoTransaction {
			return fmt.Errorf("%w: SCHEMAGATE_TRANSACTION=release: %s asks to run outside a transaction; release it by itself, or use SCHEMAGATE_TRANSACTION=migration",
				database.ErrConfig, c.File)
		}
	}
	return nil
}

// resume sets where an unfinished change goes on.
func resume(c *database.Change, r *record) error {
	if r.done == 0 || r.applied != nil {
		return nil
	}
	if r.done > len(c.Statements) || r.prefix != "" && r.prefix != database.Prefix(c.Statements[:r.done]) {
		return fmt.Errorf("%w: %s: its first %d statement(s) are done, and the file no longer begins with them; "+
			"look at the schema, then: schemagate resolve %s --from-statement K, --retry, or --applied",
			ErrNeedsResolve, c.File, r.done, c.Version)
	}
	c.From = r.done
	return nil
}

func change(m migrations.Migration, p Policy) database.Change {
	c := script(m.Up, p)
	c.Version, c.Name, c.Checksum, c.Format = m.Version, m.Name, m.Checksum, m.Format
	if m.Down != nil {
		c.Down = &m.Down.Text
	}
	c.Backfill = backfillOf(m, c, p)
	c.NoTransaction = c.NoTransaction || c.Backfill != nil
	return c
}

func script(s migrations.Script, p Policy) database.Change {
	c := database.Change{
		File: s.File, Language: s.Language, Text: s.Text, NoTransaction: s.NoTransaction, Idempotent: s.Idempotent,
		LockTimeout: p.LockTimeout, StatementTimeout: p.StatementTimeout, Statements: make([]database.Statement, len(s.Statements)),
	}
	for i, st := range s.Statements {
		c.Statements[i] = database.Statement(st)
	}
	if s.Language != "sql" { // a script is one step: it ran, or it may have run
		c.Statements = []database.Statement{{SQL: s.Text, Line: 1}}
	}
	if s.Verify != "" {
		c.Verify = []database.Statement{{SQL: strings.TrimRight(s.Verify, "; \t"), Line: s.VerifyLine}}
	}
	if s.StatementTimeout != nil {
		c.StatementTimeout = *s.StatementTimeout
	}
	if s.LockTimeout != nil {
		c.LockTimeout = *s.LockTimeout
	}
	return c
}
