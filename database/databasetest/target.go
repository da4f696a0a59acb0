package databasetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/schemagate/schemagate/database"
)

// Client is what one replica has of a database.
type Client interface {
	database.Database
	database.Leases
}

// Target is one empty database, and the ways around schemagate that the cases need.
type Target struct {
	// Open returns one more client for a service, as one more replica would have it.
	Open func(t *testing.T, service string) Client
	// Exec runs one statement beside schemagate.
	Exec func(t *testing.T, statement string)
	// Numbers returns what Dialect.Insert has put into a table.
	Numbers func(t *testing.T, table string) []int
	// Busy tells whether a transaction holds the service's fence at this moment.
	Busy func(t *testing.T, service string) bool
	// Block holds the fence from a session that is none of ours, until release is called.
	Block func(t *testing.T, service string) (release func())
	// LockTable locks a table against writers, as a busy app does, until release is called; nil where nothing less than the
	// fence's own lock does that.
	LockTable func(t *testing.T, table string) (release func())
	// Elapse makes d pass since the lease was renewed last; nil where leases don't run out.
	Elapse func(t *testing.T, service string, d time.Duration)
	// TTL and Interval are the clients', where there is Elapse.
	TTL, Interval time.Duration
	// Bury cuts the lease holder's presence off; nil where nothing less than the end of a process does that.
	Bury func(t *testing.T, service string)
	// Forced: Claim.Force takes a lease.
	Forced bool
	// Glances: a glance answers; otherwise it leaves everything to the look.
	Glances bool
	// Evicts: a takeover ends an older term's session in the midst of a statement. Otherwise it waits for its end.
	Evicts bool
	Dialect
}

// Dialect is the little language that the cases write migrations in.
type Dialect struct {
	// Create makes a table for numbers; Insert puts one in.
	Create func(table string) string
	Insert func(table string, n int) string
	// Fail is a statement that fails by its own fault.
	Fail string
	// Endless is a statement that does not end by itself, and writes nothing.
	Endless string
	// Litter are statements that leave as much behind in their session as they can, among it a temporary table called
	// counted; nil where there are no sessions.
	Litter []string
	// Change fills in a change's direction; nil is for SQL.
	Change func(c *database.Change, statements []string)
	// Keyed makes a table for numbers with a key called id; Row puts one in.
	Keyed func(table string) string
	Row   func(table string, id, n int) string
	// Move fills in a backfill that adds 100 to the numbers of the table moved. Small is a condition for numbers below 100, Any one
	// for all of them.
	Move       func(b *database.Backfill)
	Small, Any string
}

// SQL is the dialect of any database that speaks it.
func SQL(endless string, litter ...string) Dialect {
	return Dialect{
		Create:  func(table string) string { return "CREATE TABLE " + table + " (n integer)" },
		Insert:  func(table string, n int) string { return fmt.Sprintf("INSERT INTO %s VALUES (%d)", table, n) },
		Fail:    "INSERT INTO no_such_table VALUES (1)",
		Endless: endless,
		Litter:  append([]string{"CREATE TEMPORARY TABLE counted (n integer)"}, litter...),
		Keyed: func(table string) string {
			return "CREATE TABLE " + table + " (id integer NOT NULL PRIMARY KEY, n integer)"
		},
		Row: func(table string, id, n int) string {
			return fmt.Sprintf("INSERT INTO %s VALUES (%d, %d)", table, id, n)
		},
		Move: func(b *database.Backfill) {
			b.Statements = []database.BatchStatement{{Line: 2, Parts: []database.BatchPart{{Text: "UPDATE moved SET n = n + 100 WHERE "}, {Mark: "batch"}}}}
		},
		Small: "n < 100", Any: "n > 0",
	}
}

// change is a migration whose statements stand on lines 1, 2, 3...
func (d Dialect) change(version string, statements ...string) database.Change {
	c := database.Change{Version: version, Name: "name" + version, Checksum: "sum" + version, Format: "native",
		File: version + ".up.sql", LockTimeout: time.Second}
	if d.Change != nil {
		d.Change(&c, statements)
		return c
	}
	c.Language, c.Text = "sql", strings.Join(statements, ";\n")+";\n"
	for i, s := range statements {
		c.Statements = append(c.Statements, database.Statement{SQL: s, Line: i + 1})
	}
	return c
}

const service = "default"

// world is one case's database.
type world struct {
	Target
	t *testing.T
}

func (w *world) ctx() context.Context { return w.t.Context() }

func (w *world) open(service string) Client {
	w.t.Helper()
	c := w.Open(w.t, service)
	w.t.Cleanup(c.Disconnect)
	return c
}

// prepared returns a client of a database with our tables and an empty table called counted.
func (w *world) prepared() Client {
	w.t.Helper()
	c := w.open(service)
	w.must(w.again(func() error { return c.Prepare(w.ctx()) }))
	w.Exec(w.t, w.Create("counted"))
	return c
}

var origin = database.Origin{Release: "v1.2", Replica: "replica-a"}

// lead takes the next term and opens its session.
func (w *world) lead(c Client) (database.Session, database.Term) {
	w.t.Helper()
	seen := w.look(c, database.Query{Since: -1}).Fence.Number
	holder := database.NewHolder()
	var term database.Term
	w.must(w.again(func() (err error) { term, err = c.Mint(w.ctx(), seen, holder); return err }))
	w.must(w.again(func() error { return c.Drain(w.ctx(), term) }))
	return w.session(c, term), term
}

func (w *world) session(c Client, term database.Term) database.Session {
	w.t.Helper()
	s, err := c.Lead(w.ctx(), term, origin)
	w.must(err)
	w.t.Cleanup(s.Close)
	return s
}

func (w *world) look(c Client, q database.Query) database.View {
	w.t.Helper()
	v, err := c.Look(w.ctx(), q)
	w.must(err)
	return v
}

func (w *world) history(c Client) []database.Event {
	w.t.Helper()
	events, err := c.History(w.ctx(), true)
	w.must(err)
	if c.Traits().Fenced {
		return events
	}
	// Where a change and its event are not one, a running event goes before each; it is no part of what the cases tell.
	return slices.DeleteFunc(events, func(e database.Event) bool { return e.Kind == database.Running })
}

// kinds is the history in short: "applied 1, failed 2".
func (w *world) kinds(c Client) string {
	w.t.Helper()
	var out []string
	for _, e := range w.history(c) {
		out = append(out, strings.TrimSpace(string(e.Kind)+" "+e.Version))
	}
	return strings.Join(out, ", ")
}

func (w *world) wantKinds(c Client, want string) {
	w.t.Helper()
	if got := w.kinds(c); got != want {
		w.t.Errorf("history: %q, want %q", got, want)
	}
}

func (w *world) wantNumbers(table string, want ...int) {
	w.t.Helper()
	got := w.Numbers(w.t, table)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		w.t.Errorf("table %s: %v, want %v", table, got, want)
	}
}

// must is for what the rest of the case depends on.
func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) want(err, sentinel error) {
	w.t.Helper()
	if !errors.Is(err, sentinel) {
		w.t.Errorf("error %v, want %v", err, sentinel)
	}
}

// forever is when a case stops waiting for a state that a sound adapter reaches at once.
const forever = time.Minute

// again repeats f while what it meets passes by itself.
func (w *world) again(f func() error) error {
	began := time.Now()
	for {
		err := f()
		if err == nil || !passing(err) {
			return err
		}
		if time.Since(began) > forever {
			return fmt.Errorf("still, after %v: %w", forever, err)
		}
		<-time.After(time.Millisecond)
	}
}

// until asks until the answer is yes.
func (w *world) until(what string, ask func() bool) {
	w.t.Helper()
	began := time.Now()
	for !ask() {
		if time.Since(began) > forever {
			w.t.Fatalf("not after %v: %s", forever, what)
		}
		<-time.After(time.Millisecond)
	}
}

// passing errors go away by themselves, or are nobody's fault.
func passing(err error) bool {
	for _, e := range []error{database.ErrUnreachable, database.ErrInterrupted, database.ErrBlocked, database.ErrUnknown} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// wantOwnFault: the error is the change's own, and tells file and line.
func (w *world) wantOwnFault(err error, file string, line int) {
	w.t.Helper()
	var se *database.StatementError
	if !errors.As(err, &se) {
		w.t.Fatalf("error %v is no StatementError", err)
	}
	if se.File != file || se.Line != line || se.Message == "" || !strings.Contains(err.Error(), fmt.Sprintf("%s:%d: ", file, line)) {
		w.t.Errorf("error %q, want one at %s:%d", err, file, line)
	}
	for _, e := range []error{database.ErrDenied, database.ErrConfig, database.ErrNotPending, database.ErrUndecided, database.ErrRefused,
		database.ErrFenced, database.ErrHeld} {
		if errors.Is(err, e) || passing(err) {
			w.t.Errorf("error %v: the change's own failure matches a sentinel", err)
		}
	}
}

// together runs f n times at once and returns the errors.
func together(n int, f func(i int) error) []error {
	errs := make([]error, n)
	var group sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		group.Go(func() {
			<-start
			errs[i] = f(i)
		})
	}
	close(start)
	group.Wait()
	return errs
}
