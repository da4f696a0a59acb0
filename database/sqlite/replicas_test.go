package sqlite_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/zap"

	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/election"
	"github.com/schemagate/schemagate/election/lease"
	"github.com/schemagate/schemagate/migrations"
	"github.com/schemagate/schemagate/runner"
)

func TestReplicasThatStartAtOnceApplyEachMigrationOnce(t *testing.T) {
	t.Parallel()
	folder := fstest.MapFS{"0001_first.up.sql": {Data: []byte("CREATE TABLE applied (n integer);\nINSERT INTO applied VALUES (1);\n")}}
	for i := 2; i <= 20; i++ {
		text := fmt.Sprintf("INSERT INTO applied VALUES (%d);\n", i)
		if i == 10 {
			text = "-- schemagate: no-transaction\n" + text + "VACUUM;\n"
		}
		folder[fmt.Sprintf("%04d_next.up.sql", i)] = &fstest.MapFile{Data: []byte(text)}
	}
	set, err := migrations.Load(folder, migrations.Options{Dialect: migrations.SQLite, Phase: migrations.Expand})
	if err != nil {
		t.Fatal(err)
	}
	timing, err := election.NewTiming(15 * time.Second)
	if err != nil {
		t.Fatal(err)
	}
	first, path := newDB(t)
	var group sync.WaitGroup
	for i := range 8 {
		d := openDB(t, path, "default")
		r := &runner.Runner{
			Database: d, Elector: &lease.Elector{Leases: d, Timing: timing}, Set: set, Log: zap.NewNop(), Campaigns: true, Timeout: time.Hour,
			Candidate: election.Candidate{Replica: fmt.Sprint("replica-", i)},
			Policy:    runner.Policy{Service: "default", Phase: migrations.Expand, LockTimeout: time.Second},
		}
		group.Go(func() {
			if err := r.Up(t.Context()); err != nil {
				t.Errorf("replica %d: %v", i, err)
			}
		})
	}
	group.Wait()
	events, err := first.History(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	count := map[database.Kind]int{}
	for _, e := range events {
		count[e.Kind]++
	}
	if count[database.Applied] != 20 || count[database.Complete] != 1 || count[database.Failed] != 0 {
		t.Errorf("events %v", count)
	}
	rows, err := beside(t, path, "5000").QueryContext(t.Context(), "SELECT n FROM applied ORDER BY n")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }() // Err tells
	var got strings.Builder
	for rows.Next() {
		var n int
		if err := rows.Scan(&n); err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(&got, n, " ")
	}
	if want := "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 "; rows.Err() != nil || got.String() != want {
		t.Errorf("applied %s, %v, want %s", got.String(), rows.Err(), want)
	}
}
