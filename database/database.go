package database

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"time"
)

// Database is what the runner needs of a target database. Methods return errors that wrap the sentinels of this package.
type Database interface {
	// Look is one connection, one query, no DDL. It succeeds where our tables do not exist (View.Ready false).
	Look(ctx context.Context, q Query) (View, error)
	// Glance is the hot path's own small question: nothing that decides about gates happened after the digest's latest complete
	// event. Anything else, and anything unusual, is not clear, and a look tells what it is. Init as in a View.
	Glance(ctx context.Context, digest string) (clear, init bool, err error)
	// Prepare makes our tables and this service's rows; only candidates call it, and several may at once.
	Prepare(ctx context.Context) error
	// History returns all events of the service in order, without down scripts unless asked.
	History(ctx context.Context, downs bool) ([]Event, error)
	// Mint raises the term from seen to seen+1 in holder's name, by compare-and-set. While the fence row is locked by an
	// older term's session it ends that session and returns ErrBlocked; it returns a FencedError where the term is another,
	// even while a newer term's session holds the lock.
	// Minting twice with the same seen and holder is minting once.
	Mint(ctx context.Context, seen int64, holder string) (Term, error)
	// Drain ends the sessions of older terms and returns ErrBlocked until none is left.
	Drain(ctx context.Context, t Term) error
	// Lead opens the session that writes for the term.
	Lead(ctx context.Context, t Term, o Origin) (Session, error)
	// Register writes or renews a replica's row; its Beat is the database's to set. ErrNotPrepared where our tables do not exist.
	Register(ctx context.Context, r Replica) error
	// Deregister removes rows; none is no error.
	Deregister(ctx context.Context, ids ...string) error
	// Registry reads all rows of the service, as committed when it was called.
	Registry(ctx context.Context) (Registry, error)
	// Disconnect closes what Look and the others keep open; the next call connects again.
	Disconnect()
	// Traits says what this database can promise.
	Traits() Traits
}

// Traits are the promises that differ between databases.
type Traits struct {
	// Name is shown to people: PostgreSQL, SQLite...
	Name string
	// Fenced: a write of ours commits only under its own term. Otherwise the lease alone protects it.
	Fenced bool
	// ReleaseTransaction: all pending migrations can share one transaction.
	ReleaseTransaction bool
}

// Session belongs to one term; every write of it is fenced.
type Session interface {
	// Apply runs the changes, together with their events, in one transaction where the database allows that; several
	// changes are all or nothing. An error without one of this package's sentinels is the change's own failure. A
	// *StatementError or a ChangeError tells which change.
	Apply(ctx context.Context, changes ...Change) error
	// Probe asks the catalogue whether the statement, which may have run outside a transaction, is done; ErrUndecided
	// where it can't tell.
	Probe(ctx context.Context, s Statement) (done bool, err error)
	// Record appends events under the fence.
	Record(ctx context.Context, events ...Event) error
	Close()
}

// ChangeError names the change that an error belongs to.
type ChangeError struct {
	Version string
	Err     error
}

func (e *ChangeError) Error() string { return e.Err.Error() }

func (e *ChangeError) Unwrap() error { return e.Err }

// Kind is what an event of the history says.
type Kind string

// The kinds of event. The history is append-only: the state of a version is what its events, in order, come to.
const (
	// Running: a migration outside a transaction has come as far as Done; statement Trying (if not 0) may have run.
	Running Kind = "running"
	// Applied: the version is in force. Written in the transaction that made it so, wherever the database allows it.
	Applied Kind = "applied"
	// Failed: the migration itself, a command or a check failed.
	Failed Kind = "failed"
	// Interrupted: it was stopped from outside; nobody is to blame, the next leader goes on.
	Interrupted Kind = "interrupted"
	// RolledBack: the version's down script ran.
	RolledBack Kind = "rolled back"
	// Complete: everything that the set of this digest asks for was in force at this moment.
	Complete Kind = "complete"
	// Hold: the version, at this checksum, is not to be applied again until someone says so.
	Hold Kind = "hold"
	// Resolved: a person answered what only a person can know; Note says how.
	Resolved Kind = "resolved"
	// Floor: no release whose set ends before Version may serve.
	Floor Kind = "floor"
	// CutoverBegan and CutoverEnded enclose the time in which the releases of other sets keep their gates closed. The Note of
	// the end is one of CutoverDone and CutoverWithdrawn.
	CutoverBegan Kind = "cutover began"
	CutoverEnded Kind = "cutover ended"
	// Backup: SCHEMAGATE_BEFORE succeeded; Note holds where the backup lies, in JSON, or else what it printed last.
	Backup Kind = "backup"
	// Adopted: what another tool had recorded is taken over; Note names the tool. The applied events before it say what.
	Adopted Kind = "adopted"
	// HandedBack: what is in force was written into another tool's record, which is read again from then on.
	HandedBack Kind = "handed back"
)

// How a cutover ended.
const (
	CutoverDone      = "done"
	CutoverWithdrawn = "withdrawn" // nothing of it took effect: older releases may serve again
)

// The answers that a Resolved event's Note can hold; FromStatement is followed by a number.
const (
	ResolvedApplied   = "applied"
	ResolvedRetry     = "retry"
	ResolvedStatement = "from-statement"
	ResolvedAgain     = "again" // lifts a hold
)

// Decides are the kinds of event that can close an open gate.
var Decides = [...]Kind{RolledBack, Floor, CutoverBegan, CutoverEnded}

// Event is one line of the history.
type Event struct {
	ID       int64         `json:"id"`
	Kind     Kind          `json:"kind"`
	Version  string        `json:"version,omitempty"`
	Name     string        `json:"name,omitempty"`
	Checksum string        `json:"checksum,omitempty"`
	Digest   string        `json:"digest,omitempty"`
	Term     int64         `json:"term"`
	Holder   string        `json:"holder"`
	Release  string        `json:"release,omitempty"`
	Replica  string        `json:"replica"`
	At       time.Time     `json:"at"`
	Duration time.Duration `json:"-"`
	// Done counts the statements known to be done; Trying is the 1-based statement under way outside a transaction, or 0.
	Done   int    `json:"done,omitempty"`
	Trying int    `json:"trying,omitempty"`
	Prefix string `json:"prefix,omitempty"` // digest of the statements done, to recognise them in a mended file
	Code   string `json:"code,omitempty"`
	Error  string `json:"error,omitempty"`
	Note   string `json:"note,omitempty"`
	// Format and Down are the way back as the release that applied it knew it; Irreversible where there is none.
	Format string  `json:"format,omitempty"`
	Down   *string `json:"down,omitempty"`
}

// Lease is what the database tells of the right to try.
type Lease struct {
	Holder  string `json:"holder"`
	Replica string `json:"replica"`
	Release string `json:"release"`
	// Address is where the leader answers long-polls; a hint.
	Address string `json:"address"`
	// Token is the elector's own name for the holding (a Consul session).
	Token string `json:"token"`
	// Alive: by the database's clock the lease has not run out, and nothing proves the holder dead.
	Alive bool `json:"alive"`
	// Dead: the holder's presence is gone and it has missed two renewals.
	Dead bool `json:"dead"`
	// Gone: the holder's presence is gone. It is Dead once it has missed two renewals, since it may have come back by then.
	Gone bool `json:"gone"`
	// Exclusive: the work is protected by the lease alone, so it is never taken early.
	Exclusive bool `json:"exclusive"`
	// AgeMS is how long ago it was renewed.
	AgeMS int64 `json:"age_ms"`
}

// Query is what a look asks for.
type Query struct {
	// Digest is the set's; the look tells whether it is complete.
	Digest string
	// Since is the last event of the first look: only failures after it concern a follower. -1 asks for none.
	Since int64
}

// View is one look: one row, whatever the number of migrations.
type View struct {
	// Ready is false where our tables do not exist yet.
	Ready bool `json:"ready"`
	// Complete is the id of the latest complete event for the digest, 0 where there is none.
	Complete int64 `json:"complete"`
	// Undone are the versions rolled back after that.
	Undone []string `json:"undone"`
	// Fence is the current term.
	Fence Term  `json:"fence"`
	Lease Lease `json:"lease"`
	// Last is the id of the latest event of all.
	Last     int64   `json:"last"`
	Failures []Event `json:"failures"`
	// Floor is the lowest version that a serving release's set must reach, empty for none.
	Floor string `json:"floor"`
	// Cutover is what the latest event of a cutover says.
	Cutover Cutover `json:"cutover"`
	// Init: the row that stands for the init-only replicas of the query's digest is there.
	Init bool `json:"init"`
}

// Cutover is the latest cutover.
type Cutover struct {
	// ID is its latest event's, 0 where there has been none.
	ID int64 `json:"id"`
	// Digest is the set that asks, or asked, the others to close.
	Digest string `json:"digest"`
	// Under: it is announced and has not ended. Note is how it ended.
	Under bool   `json:"under"`
	Note  string `json:"note"`
}

// Statement is one statement to run.
type Statement struct {
	SQL  string
	Line int
	Copy []byte
}

// Change is one migration, or one rollback, as an adapter runs it.
type Change struct {
	Version, Name, Checksum, Format, File string
	// Language is sql, js or json; Text is the whole direction.
	Language, Text string
	Statements     []Statement
	// Undo marks a rollback: it needs the version in force, and records RolledBack.
	Undo bool
	// Hold: with Undo, leave a hold behind.
	Hold bool
	// Down is the way back, nil where there is none; it is stored with the applied event.
	Down *string
	// NoTransaction: each statement by itself; From is how many of them are done already.
	NoTransaction bool
	From          int
	Idempotent    bool
	// Verify must be answered true before the change counts as made: inside its transaction where there is one, else right
	// after its last statement. A script brings its own.
	Verify []Statement
	// Repeat: the version may be in force already (a repeatable migration that changed).
	Repeat bool
	// Settled are backfills of which nothing may be left when the change takes effect, else a LeftError. PostgreSQL and SQLite ask
	// in the change's own transaction, PostgreSQL with their tables locked.
	Settled []Backfill
	// Backfill: the change is made in batches by a Batcher, and never by Apply.
	Backfill         *Backfill
	LockTimeout      time.Duration // 0: wait for ever
	StatementTimeout time.Duration // 0: none
}

// Origin says on whose behalf a session writes.
type Origin struct {
	Release, Replica string
}

// Prefix is a digest of statements that are done, to recognise them in a file that was mended behind them.
func Prefix(done []Statement) string {
	h := sha256.New()
	for _, s := range done {
		_, _ = io.WriteString(h, s.SQL)
		_, _ = h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}
