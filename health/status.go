package health

import (
	"math"
	"slices"
	"strings"
	"time"
)

// State is what the gate is doing.
type State string

// The states. Only [Open] lets the app serve.
const (
	Waiting   State = "waiting"   // for the database, an election, or the leader's work
	Migrating State = "migrating" // this replica leads and applies
	Open      State = "open"      // the schema is the one that this release was built for
	Failed    State = "failed"    // given up; the process is about to end
	Closed    State = "closed"    // was open; the database says that it no longer may be
)

// States lists every state once.
func States() []State { return []State{Waiting, Migrating, Open, Failed, Closed} }

// working tells whether followers may still wait for the end of this round.
func (s State) working() bool { return s == Waiting || s == Migrating }

// Role is this replica's part in the election.
type Role string

// The roles.
const (
	Leader   Role = "leader"
	Follower Role = "follower"
)

// The states of a migration. One with a batched part is applied only when the
// last batch is done.
const (
	MigrationPending     = "pending"
	MigrationRunning     = "running"
	MigrationApplied     = "applied"
	MigrationFailed      = "failed"
	MigrationInterrupted = "interrupted"
	MigrationRolledBack  = "rolled_back"
)

// The states of a batched data migration.
const (
	BatchRunning   = "running"
	BatchThrottled = "throttled"
	BatchPaused    = "paused"
	BatchDone      = "done"
	BatchFailed    = "failed"
	BatchCancelled = "cancelled"
)

// Unknown stands for a total or a duration that cannot be told.
const Unknown = -1

// Status is the JSON of GET /status. Its texts are shown as they are: they must
// hold neither secrets nor row data.
type Status struct {
	State State `json:"state"`
	// Reason says in one line why the state is what it is; it may be empty.
	Reason string `json:"reason"`
	// Since is kept by the gate: when State was last changed.
	Since time.Time `json:"since"`
	// Ready is filled in by the gate; what is written here is ignored.
	Ready bool `json:"ready"`
	// Draining is set by Gate.Drain; what is written here is ignored.
	Draining bool `json:"draining"`

	Service string `json:"service"`
	Release string `json:"release"`
	Replica string `json:"replica"`
	Role    Role   `json:"role"`
	// Leader is the replica that leads; empty when nobody is known to.
	Leader string `json:"leader"`
	Term   int64  `json:"term"`

	// Digest is that of this release's set.
	Digest           string            `json:"digest"`
	Applied          int               `json:"applied"`
	Pending          int               `json:"pending"`
	CurrentMigration *CurrentMigration `json:"current_migration"`
	LastError        string            `json:"last_error"`
	// LastErrorAt is kept by the gate: when LastError was last changed to a text.
	LastErrorAt time.Time `json:"last_error_at,omitzero"`

	// DatabaseKind is postgres, mysql, mongodb or sqlite.
	DatabaseKind string   `json:"database_kind"`
	Database     Database `json:"database"`
	// App is set by Gate.SetApp; what is written here is ignored. Nil: nobody asks.
	App *App `json:"app,omitempty"`

	Migrations []Migration `json:"migrations"`
	Replicas   []Replica   `json:"replicas"`
	Batches    []Batch     `json:"batches"`

	// Now is when this status was read, so that a reader with another clock can
	// tell ages; filled in by the gate.
	Now time.Time `json:"now"`
}

// CurrentMigration is the one being applied now, by this replica.
type CurrentMigration struct {
	Version   string    `json:"version"`
	Name      string    `json:"name"`
	StartedAt time.Time `json:"started_at"`
	Progress  Progress  `json:"progress"`
	// Note says what it waits for, if anything: "a table lock, try 3".
	Note string `json:"note,omitempty"`
}

// Progress counts units; Total is [Unknown] where it cannot be told.
type Progress struct {
	Done  int64  `json:"done"`
	Total int64  `json:"total"`
	Unit  string `json:"unit"` // statements, rows
}

// Database says whether the database answered last time. It is shown, and never
// decides about readiness.
type Database struct {
	Reachable bool   `json:"reachable"`
	Note      string `json:"note"`
	// Since is kept by the gate: when Reachable was last changed.
	Since time.Time `json:"since,omitzero"`
}

// App is what the prober heard from the app.
type App struct {
	Healthy bool      `json:"healthy"`
	Note    string    `json:"note"`
	Since   time.Time `json:"since"`
}

// Migration is one line of the set, as the history knows it.
type Migration struct {
	Version    string    `json:"version"`
	Name       string    `json:"name"`
	State      string    `json:"state"`
	AppliedAt  time.Time `json:"applied_at,omitzero"`
	DurationMS int64     `json:"duration_ms"`
	Release    string    `json:"release"`
	WaitsFor   string    `json:"waits_for"`
}

// Replica is one line of the registry of live replicas.
type Replica struct {
	Name    string    `json:"name"`
	Release string    `json:"release"`
	State   string    `json:"state"`
	SeenAt  time.Time `json:"seen_at"`
}

// Batch is the progress of one batched data migration. Total and ETAS are
// [Unknown] where they cannot be told; Rate is rows per second.
type Batch struct {
	Version     string  `json:"version"`
	Done        int64   `json:"done"`
	Total       int64   `json:"total"`
	Rate        float64 `json:"rate"`
	ETAS        float64 `json:"eta_s"`
	State       string  `json:"state"`
	ThrottledBy string  `json:"throttled_by"`
}

// tidy replaces what JSON has no way to write: a rate over no time is not a number.
func (b *Batch) tidy() {
	for _, f := range []*float64{&b.Rate, &b.ETAS} {
		if math.IsNaN(*f) || math.IsInf(*f, 0) {
			*f = Unknown
		}
	}
}

// Complete finds a version, whatever its spelling, and tells whether it is applied
// with nothing of it left to do.
func (s *Status) Complete(version string) (m Migration, complete bool) {
	key := versionKey(version)
	i := slices.IndexFunc(s.Migrations, func(m Migration) bool { return versionKey(m.Version) == key })
	if i < 0 {
		return Migration{Version: version}, false
	}
	m = s.Migrations[i]
	if m.State != MigrationApplied {
		return m, false
	}
	for _, b := range s.Batches {
		if versionKey(b.Version) == key && b.State != BatchDone {
			return m, false
		}
	}
	return m, true
}

// versionKey makes the spellings of one version equal: 0001 and 1, 1.02 and 1.2.
func versionKey(version string) string {
	parts := strings.Split(version, ".")
	for i, p := range parts {
		if p == "" || strings.Trim(p, "0123456789") != "" {
			return version
		}
		if p = strings.TrimLeft(p, "0"); p == "" {
			p = "0"
		}
		parts[i] = p
	}
	return strings.Join(parts, ".")
}

// clone shares nothing that can be written with s.
func (s *Status) clone() Status {
	return s.sealed(&Status{})
}

// fork is for a change. It shares the lists that grow with the set and with the replicas: copying and comparing them for
// each of a thousand migrations took more time than applying those.
func (s *Status) fork() Status {
	c := *s
	c.CurrentMigration, c.App = copied(s.CurrentMigration), copied(s.App)
	c.Batches = slices.Clone(s.Batches)
	c.Migrations, c.Replicas = slices.Clip(s.Migrations), slices.Clip(s.Replicas)
	return c
}

// sealed shares nothing that can be written with s, but the lists that were there before. It has no nil lists, which
// JSON would show as null.
func (s *Status) sealed(before *Status) Status {
	c := *s
	c.CurrentMigration, c.App = copied(s.CurrentMigration), copied(s.App)
	c.Migrations, c.Replicas = kept(s.Migrations, before.Migrations), kept(s.Replicas, before.Replicas)
	c.Batches = kept(s.Batches, nil)
	return c
}

// kept is the list itself where it was there before, and otherwise a copy.
func kept[T any](list, before []T) []T {
	if len(list) > 0 && len(list) == len(before) && &list[0] == &before[0] {
		return before
	}
	return append(make([]T, 0, len(list)), list...)
}

func copied[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}
