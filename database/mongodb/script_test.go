package mongodb_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/database/databasetest"
	"github.com/schemagate/schemagate/database/mongodb"
	"github.com/schemagate/schemagate/test/servers"
)

// leader opens a database with a term of its own.
func leader(t *testing.T, target databasetest.Target) (databasetest.Client, database.Session, database.Term) {
	t.Helper()
	c := target.Open(t, "default")
	if err := c.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	term, err := c.Mint(t.Context(), 0, database.NewHolder())
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.Lead(t.Context(), term, database.Origin{Replica: "a"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return c, s, term
}

func change(version, file, text string) database.Change {
	language := "js"
	if strings.HasSuffix(file, ".json") {
		language = "json"
	}
	return database.Change{Version: version, File: file, Language: language, Text: text, Checksum: "sum",
		Statements: []database.Statement{{SQL: text, Line: 1}}}
}

// TestAScriptThatWasCutOffIsUndecided shows the weaker promise: what was done stays done, and the history says that nobody
// knows how much it was.
func TestAScriptThatWasCutOffIsUndecided(t *testing.T) {
	target := target(t, servers.FerretDB(t, "sqlite"))
	c, s, _ := leader(t, target)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		done <- s.Apply(ctx, change("1", "1.js", `exports.up = async db => { await db.collection("counted").insertOne({n: 1}); for (;;) await db.collection("counted").countDocuments({}) }`))
	}()
	for len(target.Numbers(t, "counted")) == 0 {
		<-time.After(10 * time.Millisecond) // nothing signals what a script has stored
	}
	cancel()
	if err := <-done; !errors.Is(err, database.ErrInterrupted) {
		t.Fatalf("got %v", err)
	}
	events, err := c.History(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	if last := events[len(events)-1]; last.Kind != database.Running || last.Trying != 1 {
		t.Errorf("the last event is %+v, want one that says that it may have run", last)
	}
	if _, err := s.Probe(t.Context(), database.Statement{}); !errors.Is(err, database.ErrUndecided) {
		t.Errorf("probe: %v", err)
	}
}

// TestAScriptEndsWithItsLeadersTrust: no call is made once the lease can't be trusted any more, whatever the script catches.
func TestAScriptEndsWithItsLeadersTrust(t *testing.T) {
	target := target(t, servers.FerretDB(t, "sqlite"))
	_, s, _ := leader(t, target)
	over := time.Now()
	ctx := database.WithTrust(t.Context(), func() time.Time { return over })
	err := s.Apply(ctx, change("1", "1.js", `exports.up = async db => { try { await db.collection("counted").insertOne({n: 1}) } catch {} }`))
	if !errors.Is(err, database.ErrInterrupted) {
		t.Errorf("got %v", err)
	}
	if n := target.Numbers(t, "counted"); len(n) != 0 {
		t.Errorf("a call was made without trust: %v", n)
	}
}

func TestASessionOfAnOlderTermIsRefused(t *testing.T) {
	target := target(t, servers.FerretDB(t, "sqlite"))
	c, s, term := leader(t, target)
	if _, err := c.Mint(t.Context(), term.Number, database.NewHolder()); err != nil {
		t.Fatal(err)
	}
	if err := s.Apply(t.Context(), change("1", "1.js", `exports.up = async db => { await db.collection("counted").insertOne({n: 1}) }`)); !errors.Is(err, database.ErrFenced) {
		t.Errorf("apply: %v", err)
	}
	if err := s.Record(t.Context(), database.Event{Kind: database.Complete}); !errors.Is(err, database.ErrFenced) {
		t.Errorf("record: %v", err)
	}
	if n := target.Numbers(t, "counted"); len(n) != 0 {
		t.Errorf("the older term wrote %v", n)
	}
}

func TestCommandFiles(t *testing.T) {
	target := target(t, servers.FerretDB(t, "sqlite"))
	_, s, _ := leader(t, target)
	err := s.Apply(t.Context(), change("1", "1.up.json", `[{"insert": "counted", "documents": [{"n": 1}, {"n": {"$numberInt": "2"}}]}]`))
	if err != nil {
		t.Fatal(err)
	}
	if n := target.Numbers(t, "counted"); len(n) != 2 {
		t.Errorf("got %v", n)
	}
	err = s.Apply(t.Context(), change("2", "2.up.json", `[{"nonsense": 1}]`))
	var se *database.StatementError
	if !errors.As(err, &se) || !strings.Contains(err.Error(), "2.up.json") {
		t.Errorf("got %v", err)
	}
}

func TestOpenRefusesWhatItCantUse(t *testing.T) {
	for _, url := range []string{"mongodb://u:geheim@127.0.0.1:1", "mongodb://u:ge@heim@h/db", "mongodb://"} {
		_, err := mongodb.Open(url, mongodb.Options{Service: "default"})
		if !errors.Is(err, database.ErrConfig) || strings.Contains(err.Error(), "heim") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestAServerThatIsNotThereIsWaitedFor(t *testing.T) {
	d, err := mongodb.Open("mongodb://127.0.0.1:1/db?serverSelectionTimeoutMS=200", mongodb.Options{Service: "default", LeaseTTL: ttl})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Disconnect()
	if _, err := d.Look(t.Context(), database.Query{Since: -1}); !errors.Is(err, database.ErrUnreachable) {
		t.Errorf("got %v", err)
	}
}

// TestAScriptsVerifyComesBeforeTheEvent: up is done and stays done, and a verify that fails is asked again without it.
func TestAScriptsVerifyComesBeforeTheEvent(t *testing.T) {
	target := target(t, servers.FerretDB(t, "sqlite"))
	c, s, _ := leader(t, target)
	text := `exports.up = async db => { await db.collection("counted").insertOne({n: 1}) };
exports.down = async db => {};
exports.verify = async db => await db.collection("counted").countDocuments({}) === 2`
	ch := change("1", "1.js", text)
	var se *database.StatementError
	if err := s.Apply(t.Context(), ch); !errors.As(err, &se) || se.File != "1.js" || !strings.Contains(se.Message, "verify returned false") {
		t.Fatalf("got %v", err)
	}
	events, err := c.History(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	if last := events[len(events)-1]; last.Kind != database.Running || last.Done != 1 || last.Trying != 0 {
		t.Errorf("the last event is %+v, want running, one done", last)
	}
	target.Exec(t, `await db.collection("counted").insertOne({n: 2})`)
	ch.From = 1
	if err := s.Apply(t.Context(), ch); err != nil {
		t.Fatal(err)
	}
	if n := target.Numbers(t, "counted"); len(n) != 2 {
		t.Errorf("%v: up ran again", n)
	}
	throws := change("2", "2.js", "exports.up = async db => {};\nexports.verify = async db => { throw new Error('seven are left') }")
	if err := s.Apply(t.Context(), throws); err == nil || err.Error() != "2.js:2: verify: seven are left" {
		t.Errorf("got %v", err)
	}
}
