package database

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Backfill is one change of data in batches, as an adapter carries it out.
type Backfill struct {
	// Service is whose history the version belongs to; the session may be another's, such as SERVICE/background.
	Service                       string
	Version, Name, Checksum, File string
	// Line is where the directive stands.
	Line int
	// Table and Key are as the author wrote them; Where and Left are empty where they were not given.
	Table       string
	Key         []string
	Where, Left string
	// Statements is the batch in SQL. Language js has Text, a script with the function batch; json has Update.
	Statements             []BatchStatement
	Language, Text, Update string
	// Size is the most keys in a batch, 0 leaving it to the engine; Pause is kept between batches; Idempotent: a row may be met again.
	Size       int
	Pause      time.Duration
	Idempotent bool
	// Since is the id of the version's latest rollback: progress from before it counts no more.
	Since            int64
	LockTimeout      time.Duration // 0: wait for ever
	StatementTimeout time.Duration // 0: none
}

// BatchStatement is a statement divided at its marks.
type BatchStatement struct {
	Parts []BatchPart
	Line  int
}

// BatchPart is a piece of text, or one of the marks from, to, where, batch.
type BatchPart struct{ Text, Mark string }

// Fill puts together the statement, with what stands for each mark.
func (s BatchStatement) Fill(with map[string]string) string {
	var b strings.Builder
	for _, p := range s.Parts {
		b.WriteString(p.Text)
		if p.Mark != "" {
			b.WriteString(with[p.Mark])
		}
	}
	return b.String()
}

// Shape tells what a cursor is good for: another table, key or condition starts over.
func (b Backfill) Shape() string {
	return strings.Join(append([]string{b.Table, b.Where}, b.Key...), "|")
}

// Counted tells whether what is left can be asked for, and so further passes are made until nothing is.
func (b Backfill) Counted() bool { return b.Where != "" || b.Left != "" }

// Fault is an error of the backfill's own, at its directive.
func (b Backfill) Fault(format string, args ...any) error {
	return &StatementError{File: b.File, Line: b.Line, Message: fmt.Sprintf(format, args...)}
}

// LeftError says that rows of a backfill which is in force are left again.
type LeftError struct {
	Backfill Backfill
	N        int64
}

func (e *LeftError) Error() string {
	return fmt.Sprintf("%s:%d: %d rows are left again, which something wrote after its last batch; move them with a backfill of its own, "+
		"in a migration between the two", e.Backfill.File, e.Backfill.Line, e.N)
}

// Settled is a LeftError where n rows of the backfill are left.
func (b Backfill) Settled(n int64) error {
	if n > 0 {
		return &LeftError{Backfill: b, N: n}
	}
	return nil
}

// Unknown stands for a number of rows that was not counted.
const Unknown = -1

// The operator's words, as they are left for whoever moves the data.
const (
	WishPause  = "pause"
	WishCancel = "cancel"
)

// Progress is how far a backfill came. It is kept in the database, in the transaction of each batch where there are any.
type Progress struct {
	Version  string `json:"version"`
	Checksum string `json:"checksum"`
	Shape    string `json:"shape"`
	Since    int64  `json:"since"`
	// State and Reason are package backfill's words.
	State  string `json:"state"`
	Reason string `json:"reason"`
	// Pass counts from 1; Position is the last key done in it, in the adapter's own form, empty before the first.
	Pass     int    `json:"pass"`
	Position string `json:"position"`
	// Walked are the keys done, Changed the rows that the statements met, in all passes.
	Walked  int64 `json:"walked"`
	Changed int64 `json:"changed"`
	Batches int64 `json:"batches"`
	// Total is how many keys are expected in all; Left is what was last counted to be left. Unknown where nobody counted.
	Total int64 `json:"total"`
	Left  int64 `json:"remaining"`
	// ActiveMS is the time spent in batches.
	ActiveMS int64 `json:"active_ms"`
	// Wish is the operator's word, WishBy whose it was.
	Wish      string    `json:"wish"`
	WishBy    string    `json:"wish_by"`
	Replica   string    `json:"replica"`
	UpdatedAt time.Time `json:"updated_at"`
}

// Fresh is the progress of a backfill that has not begun.
func (b Backfill) Fresh() Progress {
	return Progress{Version: b.Version, Checksum: b.Checksum, Shape: b.Shape(), Since: b.Since, State: "pending", Pass: 1, Total: Unknown, Left: Unknown}
}

// Continues tells whether recorded progress is this backfill's: not from before a rollback, nor of another table or key. The
// operator's word outlives a fresh start.
func (b Backfill) Continues(p Progress) (Progress, bool) {
	if p.Since == b.Since && p.Shape == b.Shape() {
		p.Checksum = b.Checksum
		return p, true
	}
	fresh := b.Fresh()
	fresh.Wish, fresh.WishBy = p.Wish, p.WishBy
	return fresh, false
}

// Batcher is a Session that can move data in batches.
type Batcher interface {
	// Begin returns the recorded progress, or records a fresh start. It makes the table where an older installation has none, and
	// refuses a key that is not unique and never null.
	Begin(ctx context.Context, b Backfill) (Progress, error)
	// Batch moves the next keys behind p.Position, limit of them at most: rows, cursor, counters and the check of the fence in one
	// transaction, where the database has those. n is how many keys it took; 0 ends the pass. ErrBlocked: a lock was not had, a
	// deadlock or a conflict of transactions, and nothing was changed.
	Batch(ctx context.Context, b Backfill, p Progress, limit int) (next Progress, n int, err error)
	// Left counts what is left; Total expects how many keys there are, and may guess.
	Left(ctx context.Context, b Backfill) (int64, error)
	Total(ctx context.Context, b Backfill) (int64, error)
	// Mark records the progress and events under the fence, and returns it with the operator's latest word.
	Mark(ctx context.Context, b Backfill, p Progress, events ...Event) (Progress, error)
}

// Backfills is a Database that keeps progress.
type Backfills interface {
	// Backfills lists the progress of a service's backfills, by version.
	Backfills(ctx context.Context, service string) ([]Progress, error)
	// Wish leaves the operator's word: WishPause, WishCancel, or empty to go on.
	Wish(ctx context.Context, service, version, wish, by string) error
}

// Keys is a cursor as the SQL adapters keep it: the key's values as text.
func Keys(position string) ([]string, error) {
	var keys []string
	if position == "" {
		return nil, nil
	}
	err := json.Unmarshal([]byte(position), &keys)
	return keys, err
}

// Position is the opposite of Keys.
func Position(keys []string) (string, error) {
	text, err := json.Marshal(keys)
	return string(text), err
}

// A Comparison says that a key lies before or behind values; op is >, >=, < or <=.
type Comparison func(columns, values []string, op string) string

// Rows compares row values, which PostgreSQL and SQLite look up in the key's index: (a, b) > (x, y).
func Rows(columns, values []string, op string) string {
	return "(" + strings.Join(columns, ", ") + ") " + op + " (" + strings.Join(values, ", ") + ")"
}

// Columns says the same in single comparisons, as MySQL needs it to find the index: a >= x AND (a > x OR (a = x AND b > y)).
func Columns(columns, values []string, op string) string {
	strict := op[:1]
	last := len(columns) - 1
	cond := columns[last] + " " + op + " " + values[last]
	for i := last - 1; i >= 0; i-- {
		cond = columns[i] + " " + strict + "= " + values[i] + " AND (" + columns[i] + " " + strict + " " + values[i] + " OR (" +
			columns[i] + " = " + values[i] + " AND " + cond + "))"
	}
	return cond
}

// Marks are what stands for each mark of a statement, given the first and last key as literals.
func (b Backfill) Marks(from, to []string, compare Comparison) map[string]string {
	where := "(" + b.Where + ")"
	batch := "(" + compare(b.Key, from, ">=") + " AND " + compare(b.Key, to, "<=")
	if b.Where != "" {
		batch += " AND " + where
	}
	return map[string]string{"from": strings.Join(from, ", "), "to": strings.Join(to, ", "), "where": where, "batch": batch + ")"}
}
