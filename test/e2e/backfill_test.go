package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/schemagate/schemagate/test/harness"
)

// rows is how many the big table has.
const rows = 200_000

// itemsSQL makes a table in which every row counts how often it was changed.
func itemsSQL(n int) string {
	return fmt.Sprintf("create table items (id bigint primary key, price numeric not null, cents bigint, changed int not null default 0, touched int not null default 0);\n"+
		"insert into items (id, price) select i * 3, i %% 1000 / 100.0 from generate_series(1, %d) i;\nanalyze items;\n", n)
}

const centsSQL = "UPDATE items SET cents = round(price * 100), changed = changed + 1 WHERE :batch;\n"

// filling is the set whose second migration fills items.cents.
func filling(n int, directive string) harness.Files {
	return harness.Files{
		"0001_items.up.sql": itemsSQL(n),
		"0002_cents.up.sql": "-- schemagate: backfill table=items key=id " + directive + "\n" + centsSQL,
	}
}

// filledOnce checks that every row was changed exactly once.
func (s *stage) filledOnce(n int) {
	s.T.Helper()
	if got, want := s.Psql("select count(*), min(changed), max(changed), count(*) filter (where cents is distinct from round(price * 100)) from items"),
		fmt.Sprintf("%d|1|1|0", n); got != want {
		s.T.Errorf("count, fewest and most changes, wrong ones: %s, want %s", got, want)
	}
}

// progress reads a column of the backfill's record.
func (s *stage) progress(column string) string {
	s.T.Helper()
	return s.Psql("select " + column + " from schemagate_backfill where version = '0002'")
}

// moved waits until the backfill has committed n batches.
func (s *stage) moved(n int) {
	s.T.Helper()
	harness.Until(s.T, fmt.Sprintf("%d batches are committed", n), func() bool {
		return s.Psql("select to_regclass('schemagate_backfill') is not null") == "t" &&
			s.Psql(fmt.Sprintf("select count(*) from schemagate_backfill where version = '0002' and batches >= %d", n)) == "1"
	})
}

// writing has an app change rows of items, at random, until end is called; it returns how many changes were committed.
func writing(t *testing.T, url string) (end func() (updates, inserts int)) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	updates, inserts := 0, 0
	var werr error
	var done sync.WaitGroup
	done.Go(func() {
		for ctx.Err() == nil {
			id := 3 * (1 + rand.IntN(rows))
			if _, werr = conn.Exec(context.WithoutCancel(ctx), "update items set touched = touched + 1 where id = $1", id); werr != nil {
				return
			}
			updates++
			if updates%20 > 0 {
				continue
			}
			// The new release writes both; so does the app here, for rows anywhere in the order of the key.
			if _, werr = conn.Exec(context.WithoutCancel(ctx), "insert into items (id, price, cents, changed) values ($1, 1, 100, 1) on conflict do nothing", id+1); werr != nil {
				return
			}
		}
	})
	return func() (int, int) {
		stop()
		done.Wait()
		if werr != nil {
			t.Errorf("the writer: %v", werr)
		}
		_ = conn.Close(context.WithoutCancel(ctx)) // nothing is pending on it
		return updates, inserts
	}
}

// Each row is changed exactly once, while an app writes to the table and the leader is killed again and again.
func TestBackfillIsExactWhileItsLeadersAreKilled(t *testing.T) {
	t.Parallel()
	s := newStage(t, harness.Files{"0001_items.up.sql": itemsSQL(rows)})
	s.Up()
	s.Write(filling(rows, `where="cents is null" size=2000`))
	end := writing(t, s.URL)
	leader := s.with("SCHEMAGATE_REPLICA=leader-0").Start("up")
	for i := range 6 {
		s.moved(2 + 10*i)
		next := s.with(fmt.Sprintf("SCHEMAGATE_REPLICA=leader-%d", i+1)).Start("up")
		leader.Kill()
		leader = next
	}
	leader.Exits(0)
	updates, _ := end()
	s.filledOnce(int(rows) + s.number("select count(*) from items where id % 3 = 1"))
	if got := s.Psql("select sum(touched) from items"); got != fmt.Sprint(updates) {
		t.Errorf("%s changes of the app are there, it made %d", got, updates)
	}
	if got := s.applied(); got != "0001 0002" {
		t.Errorf("applied %q", got)
	}
	if terms := s.number("select max(term) from schemagate_history"); terms < 3 {
		t.Errorf("%d terms: no leader was killed in its work", terms)
	}
	if got := s.progress("state || ' ' || (walked = total) || ' ' || remaining"); got != "done true 0" {
		t.Errorf("the record says %q", got)
	}
	if got := s.events("failed"); got != "" {
		t.Errorf("%q is recorded as failed", got)
	}
}

func (s *stage) number(sql string) (n int) {
	s.T.Helper()
	if _, err := fmt.Sscan(s.Psql(sql), &n); err != nil {
		s.T.Fatal(err)
	}
	return n
}

// Without a condition, whatever is behind the cursor when the last batch is made is done once; the statement may count on it.
func TestBackfillWithoutAConditionWalksTheKeyOnce(t *testing.T) {
	t.Parallel()
	s := newStage(t, filling(20_000, "size=700"))
	leader := s.Start("up")
	s.moved(3)
	leader.Kill()
	s.Up()
	s.filledOnce(20_000)
}

func TestBackfillByACompositeKey(t *testing.T) {
	t.Parallel()
	s := newStage(t, harness.Files{
		"0001_items.up.sql": "create table orders (tenant text not null, at timestamptz not null, n int, changed int not null default 0, primary key (tenant, at));\n" +
			"insert into orders select 'it''s ' || i % 7, timestamptz '2024-01-01' + i * interval '1.000001 s' from generate_series(1, 5000) i;\n",
		"0002_n.up.sql": "-- schemagate: backfill table=orders key=tenant,at size=100\n" +
			"UPDATE orders SET n = 1, changed = changed + 1 WHERE (tenant, at) BETWEEN (:from) AND (:to);\n",
		"0003_n.up.sql": "-- schemagate: backfill table=orders key=tenant,at where=\"n = 1\"\nUPDATE orders SET n = 2, changed = changed + 1 WHERE :batch;\n",
	})
	// Neither a date's order nor the time zone may change what a cursor means.
	s.Psql("do $$ begin execute format('alter database %I set datestyle = ''German, DMY''', current_database()); execute format('alter database %I set timezone = ''Asia/Kathmandu''', current_database()); end $$")
	s.Up()
	if got := s.Psql("select count(*), min(changed), max(changed), min(n) from orders"); got != "5000|2|2|2" {
		t.Errorf("rows, fewest and most changes, n: %s", got)
	}
	if got := s.Psql("select walked, remaining, state from schemagate_backfill order by version"); got != "5000|0|done\n5000|0|done" {
		t.Errorf("the records: %s", got)
	}
}

func TestBackfillSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	table := "create table items (id int primary key, a int, b int not null, cents int);\ncreate unique index on items (a);\ninsert into items select i, i, i from generate_series(1, 10) i;\n"
	for name, tc := range map[string]struct{ head, sql, want string }{
		"not unique":      {"table=items key=b", "UPDATE items SET cents = 1 WHERE :batch", "0002_x.up.sql:1: key=b of items: rows could be passed over"},
		"null":            {"table=items key=a", "UPDATE items SET cents = 1 WHERE :batch", "0002_x.up.sql:1: key=a of items"},
		"no table":        {"table=itmes key=id", "UPDATE items SET cents = 1 WHERE :batch", `0002_x.up.sql:1: relation \"itmes\" does not exist`},
		"no condition":    {`table=items key=id where="cnts is null"`, "UPDATE items SET cents = 1 WHERE :batch", `0002_x.up.sql:1: column \"cnts\" does not exist`},
		"statement":       {"table=items key=id", "UPDATE items\nSET cents = 1/0 WHERE :batch", "0002_x.up.sql:2: division by zero"},
		"never done":      {`table=items key=id where="cents is null"`, "UPDATE items SET b = b + 1 WHERE :batch", "where= still holds for all 10 rows of the first batch after its statement; nothing was changed"},
		"left stays":      {`table=items key=id left="select count(*) from items where cents is null" idempotent`, "UPDATE items SET cents = 1 WHERE :batch AND id > 3", "0002_x.up.sql:1: 3 rows are left"},
		"left, not twice": {`table=items key=id left="select count(*) from items where cents is null"`, "UPDATE items SET cents = 1 WHERE :batch AND id > 3", "say idempotent"},
		"left is a text":  {`table=items key=id left="select 'many'"`, "UPDATE items SET cents = 1 WHERE :batch", "left= is to answer one whole number"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, harness.Files{"0001_items.up.sql": table, "0002_x.up.sql": "-- schemagate: backfill " + tc.head + "\n" + tc.sql + ";\n"})
			s.Expect(70, "up").Says(tc.want)
			if got := s.events("failed"); got != "0002" {
				t.Errorf("%q is recorded as failed", got)
			}
			if name == "never done" && s.Psql("select sum(b) from items") != "55" {
				t.Error("a batch that changes nothing of the condition was kept")
			}
		})
	}
}

// The app writes rows in the old shape for a while: a further pass takes them, and not those that are done.
func TestBackfillTakesWhatIsWrittenMeanwhile(t *testing.T) {
	t.Parallel()
	s := newStage(t, filling(3000, `where="cents is null" size=100 pause=20ms`))
	r := s.Start("up")
	s.moved(5)
	s.Psql("insert into items (id, price) values (1, 9.99), (2, 1)") // behind the cursor
	r.Exits(0)
	s.filledOnce(3002)
	if got := s.progress("pass || ' ' || walked || ' ' || total"); got != "2 3002 3002" {
		t.Errorf("pass, walked, total: %s", got)
	}
}

// A lock that is not had makes nobody fail: the batch lets go, says so and tries again.
func TestBackfillIsThrottledByALock(t *testing.T) {
	t.Parallel()
	s := newStage(t, filling(3000, `where="cents is null" size=500`)).with("SCHEMAGATE_LOCK_TIMEOUT=100ms")
	s.Write(harness.Files{"0001_items.up.sql": itemsSQL(3000)})
	s.Remove("0002_cents.up.sql")
	s.Up()
	release := holding(t, s.URL, "update items set touched = 1 where id = 3000")
	s.Write(filling(3000, `where="cents is null" size=500`))
	r := s.Start("up")
	r.Await(`"reason":"a table or row lock"`)
	if got := s.progress("state || ': ' || reason"); got != "throttled: a table or row lock" && !strings.HasPrefix(got, "running") {
		t.Errorf("the record says %q", got)
	}
	release()
	r.Exits(0)
	s.filledOnce(3000)
}

// The operator pauses, resumes, cancels and thinks better of it, between batches.
func TestOperatorsWordAboutABackfill(t *testing.T) {
	t.Parallel()
	s := newStage(t, filling(4000, `where="cents is null" size=50 pause=100ms`))
	leader := s.Start("up")
	s.moved(3)
	s.Expect(0, "pause", "2")
	leader.Await(`"state":"paused","done"`)
	at := s.progress("walked")
	if st := s.Expect(0, "status"); !strings.Contains(st.Out.Text(), "paused") || !strings.Contains(st.Out.Text(), "schemagate pause by ") {
		t.Errorf("status does not say that it is paused: %s", st)
	}
	leader.Kill()
	next := s.Start("up") // the word outlives the leader
	next.Await(`"state":"paused","done"`)
	if again := s.progress("walked"); again != at {
		t.Errorf("%s rows are done, %s when it was paused", again, at)
	}
	s.Expect(0, "resume", "0002")
	s.moved(s.number("select batches from schemagate_backfill") + 2)
	s.Expect(0, "cancel", "0002")
	next.Exits(70)
	next.Says("cancelled: 0002_cents", "schemagate resume 0002")
	s.Expect(70, "up").Says("cancelled: 0002_cents")
	if got := s.applied(); got != "0001" {
		t.Errorf("applied %q", got)
	}
	s.Expect(0, "resume", "0002")
	s.Up()
	s.filledOnce(4000)
	s.Expect(65, "pause", "0002").Says("it is done")
	s.Expect(65, "pause", "0001").Says("does not move data in batches")
	s.Expect(65, "cancel", "7").Says("has no such version")
}

// background is the set whose second migration fills items.cents behind the open gate.
func background(n int, directive string) harness.Files {
	return filling(n, `where="cents is null" background `+directive)
}

// isApplied waits until the history of the service itself has the version.
func (s *stage) isApplied(version string) {
	s.T.Helper()
	harness.Until(s.T, version+" is in the history", func() bool {
		return s.number("select count(*) from schemagate_history where service = 'default' and kind = 'applied' and version = '"+version+"'") == 1
	})
}

// A background backfill gates nobody, outlives the death of its leader, and ends in the history of the service.
func TestBackgroundBackfill(t *testing.T) {
	t.Parallel()
	s := newStage(t, background(6000, "size=100 pause=5ms"))
	s.Up().Says("1 background migration(s) left; run and sidecar replicas, or schemagate up --background, carry them out")
	if got := s.applied(); got != "0001" {
		t.Fatalf("applied %q by up", got)
	}
	if plan := s.Expect(0, "plan"); !strings.Contains(plan.Out.Text(), "-- 0002_cents does not gate this release; it waits for its batches") {
		t.Errorf("the plan does not say that it is deferred: %s", plan)
	}
	addr := harness.FreePort(t)
	first := s.with("SCHEMAGATE_REPLICA=first", "SCHEMAGATE_HTTP_ADDR="+addr).Start("run", "--",
		"sh", "-c", "while kill -0 $PPID; do sleep 0.1; done 2>/dev/null") // an app that outlives a wrapper which is killed by a moment only
	first.Await(harness.Msg("gate open"))
	s.moved(3)
	answers(t, addr, map[string]int{"/readyz": 200, "/migrations/0002": 404})
	if _, body := get(t, addr, "/metrics"); !strings.Contains(body, `schemagate_batch_rows_done{version="0002"}`) || !strings.Contains(body, `schemagate_batch_running{version="0002"} 1`) {
		t.Errorf("the metrics do not tell of it:\n%s", body)
	}
	second := s.with("SCHEMAGATE_REPLICA=second").Start("sidecar")
	second.Await(harness.Msg("gate open"))
	first.Kill()
	s.isApplied("0002")
	s.filledOnce(6000)
	if got := s.Psql("select replica from schemagate_history where version = '0002'"); got != "second" {
		t.Errorf("recorded by %q", got)
	}
	s.Up().NeverSays("background migration")
	if got := s.Psql("select count(*) from schemagate_history where kind = 'failed'"); got != "0" {
		t.Errorf("%s failures are recorded", got)
	}
}

// The next release is deployed while the old one's background backfill goes on: it waits for nothing, even to alter that table.
func TestBackgroundBackfillDelaysNoDeploy(t *testing.T) {
	t.Parallel()
	s := newStage(t, background(20_000, "size=200 pause=20ms"))
	old := s.with("SCHEMAGATE_RELEASE=old").Start("sidecar")
	old.Await(harness.Msg("gate open"))
	s.moved(3)
	next := s.folder(background(20_000, "size=200 pause=20ms").And(harness.Files{"0003_note.up.sql": "ALTER TABLE items ADD COLUMN note text;\n"})).with("SCHEMAGATE_RELEASE=new")
	next.Up()
	if got := s.progress("state"); got != "running" && got != "throttled" {
		t.Errorf("the backfill is %s after the deploy, want it under way", got)
	}
	if got := s.applied(); got != "0001 0003" {
		t.Errorf("applied %q", got)
	}
	batches := s.number("select batches from schemagate_backfill")
	s.moved(batches + 2) // the deploy ended nothing of it
	old.NeverSays(harness.Msg("fenced"))
	// What is cancelled stays so for every replica, until it is resumed.
	s.Expect(0, "cancel", "0002")
	harness.Until(t, "it is cancelled", func() bool { return s.progress("state") == "cancelled" })
	next.Expect(70, "up", "--background").Says("1 background backfill(s) failed, were cancelled or are on hold")
	s.Expect(0, "resume", "0002")
	next.Expect(0, "up", "--background")
	s.isApplied("0002")
	s.filledOnce(20_000)
}

// What was rolled back moves again from the start, and the pause file holds it for as long as it is there.
func TestBackfillRolledBackMovesAgain(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "pause")
	s := newStage(t, filling(3000, `where="cents is null"`).And(harness.Files{"0002_cents.down.sql": "UPDATE items SET cents = NULL;\n"})).with("SCHEMAGATE_PAUSE_FILE=" + file)
	s.Up()
	s.Expect(0, "down")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r := s.Start("up", "--again")
	r.Await(`"reason":"the pause file ` + file)
	if got := s.Psql("select count(*) from items where cents is not null"); got != "0" {
		t.Errorf("%s rows were moved in spite of the pause file", got)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	r.Exits(0)
	if got := s.Psql("select count(*), min(changed), max(changed) from items where cents is not null"); got != "3000|2|2" {
		t.Errorf("rows, fewest and most changes: %s", got)
	}
}

// A contract waits for the background backfill before it in the set.
func TestAContractWaitsForABackgroundBackfill(t *testing.T) {
	t.Parallel()
	s := newStage(t, background(2000, "size=100").And(harness.Files{"0003_drop.up.sql": "-- schemagate: phase=contract after=0002\nALTER TABLE items DROP COLUMN price;\n"}))
	s.Up()
	if plan := s.Expect(0, "plan"); !strings.Contains(plan.Out.Text(), "0003_drop does not gate this release; it waits for 0002_cents to be applied") {
		t.Errorf("the plan: %s", plan)
	}
	s.Expect(0, "up", "--contract")
	if got := s.applied(); got != "0001" {
		t.Errorf("applied %q before the data is moved", got)
	}
	s.Expect(0, "up", "--background", "--contract")
	if got := s.applied(); got != "0001 0002 0003" {
		t.Errorf("applied %q", got)
	}
}

// `schemagate test` moves a scratch database's rows in batches, again after the way back.
func TestBackfillIsProved(t *testing.T) {
	t.Parallel()
	s := newStage(t, filling(300, `where="cents is null"`).And(harness.Files{"0001_items.down.sql": "DROP TABLE items;\n", "0002_cents.down.sql": "UPDATE items SET cents = NULL;\n",
		"0002_cents.check.sql": "SELECT count(*) = 300 FROM items WHERE cents IS NOT NULL;\n"}))
	s.Expect(0, "test")
}
