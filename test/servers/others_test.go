package servers

import (
	"context"
	"database/sql"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
)

// lifecycle is what all servers offer.
type lifecycle interface {
	URL() string
	Pid() int
	Log() string
	Kill()
	Pause()
	Resume()
	Restart()
}

var (
	_ lifecycle = (*PG)(nil)
	_ lifecycle = (*Bouncer)(nil)
	_ lifecycle = (*Maria)(nil)
	_ lifecycle = (*ConsulServer)(nil)
	_ lifecycle = (*Ferret)(nil)
)

// dieAndReturn takes a server through its life; check fails the test when the server does not answer with its data.
func dieAndReturn(t *testing.T, s lifecycle, dir string, check func()) {
	t.Helper()
	check()
	url, pid := s.URL(), s.Pid()
	s.Pause()
	s.Resume()
	check()
	s.Kill()
	assertGone(t, dir)
	if s.Pid() != 0 {
		t.Error("a killed server has a pid")
	}
	s.Restart()
	check()
	s.Restart()
	check()
	if s.URL() != url || s.Pid() == pid || s.Pid() == 0 {
		t.Errorf("after restarts: %s with pid %d, before: %s with %d", s.URL(), s.Pid(), url, pid)
	}
}

func TestFerretDB(t *testing.T) {
	t.Parallel()
	for _, backend := range []string{"sqlite", "postgresql"} {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			f := FerretDB(t, backend)
			if (f.Backend() != nil) != (backend == "postgresql") {
				t.Errorf("backend server %v", f.Backend())
			}
			c := f.Client(t).Database("d").Collection("c")
			if _, err := c.InsertOne(t.Context(), bson.M{"_id": "one", "n": 7}); err != nil {
				t.Fatal(err)
			}
			if _, err := c.InsertOne(t.Context(), bson.M{"_id": "one"}); !mongo.IsDuplicateKeyError(err) {
				t.Errorf("second insert: %v, want a duplicate key", err)
			}
			dieAndReturn(t, f, f.dir, func() {
				var got struct{ N int }
				// The driver retries a read once on a broken connection; the pool may hold several of them.
				waitFor(t, func() bool { return c.FindOne(t.Context(), bson.M{"_id": "one"}).Decode(&got) == nil })
				if got.N != 7 {
					t.Errorf("the document holds %d, want 7", got.N)
				}
			})
			f.Stop()
			assertGone(t, f.dir)
		})
	}
}

func TestFerretDBRefusesAnUnknownBackend(t *testing.T) {
	t.Parallel()
	tb := NewScope("scope")
	defer func() {
		if err, _ := recover().(error); err == nil || !strings.Contains(err.Error(), "sqlite and postgresql") {
			t.Errorf("failed with %v", err)
		}
	}()
	FerretDB(tb, "mysql")
}

func TestMariaDB(t *testing.T) {
	t.Parallel()
	m := MariaDB(t)
	url := m.NewDatabase(t)
	name := url[strings.LastIndexByte(url, '/')+1:]
	m.Exec(t, name, "CREATE TABLE t (n int, s text) ENGINE=InnoDB; INSERT INTO t VALUES (1, 'é'), (2, 'b')")
	dieAndReturn(t, m, m.dir, func() {
		db, err := sql.Open("mysql", m.DSN(name))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = db.Close() }()
		var n int
		if err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM t").Scan(&n); err != nil || n != 2 {
			t.Fatalf("count %d, %v", n, err)
		}
	})
	if got, want := m.Exec(t, name, "SELECT n, s FROM t ORDER BY n; SELECT 'last'"), "1|é\n2|b\nlast"; got != want {
		t.Errorf("rows %q, want %q", got, want)
	}
	m.Stop()
	assertGone(t, m.dir)
}

func TestPgBouncer(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		mode   PoolMode
		opts   []PGOption
		shares bool // whether clients share backends between transactions
	}{
		{"session", SessionPooling, nil, false},
		{"transaction", TransactionPooling, nil, true},
		{"transaction with password", TransactionPooling, []PGOption{Password(`a"b`)}, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			pg := Postgres(t, c.opts...)
			b := PgBouncer(t, pg, c.mode)
			url := b.Through(pg.NewDatabase(t))
			backend := func(conn *pgx.Conn) (pid uint32) {
				t.Helper()
				err := conn.QueryRow(t.Context(), "SELECT pg_backend_pid()", pgx.QueryExecModeSimpleProtocol).Scan(&pid)
				if err != nil {
					t.Fatal(err)
				}
				return pid
			}
			first, second := connect(t, url), connect(t, url)
			if shares := backend(first) == backend(second); shares != c.shares {
				t.Errorf("two clients share a backend: %t, want %t", shares, c.shares)
			}
			dieAndReturn(t, b, b.dir, func() {
				if got := Psql(t, url, "SELECT 1"); got != "1" {
					t.Errorf("got %q", got)
				}
			})
			// It starts without PostgreSQL, too, and keeps the clients waiting for it.
			pg.Kill()
			b.Restart()
			answer := make(chan error, 1)
			go func() {
				_, err := psql(context.WithoutCancel(t.Context()), url, "SELECT 1")
				answer <- err
			}()
			waitFor(t, func() bool { return strings.Contains(b.Log(), "connect failed") })
			pg.Restart()
			// PostgreSQL may refuse while it recovers, which PgBouncer hands on.
			if err := <-answer; err != nil && !strings.Contains(err.Error(), "the database system is ") {
				t.Errorf("a client that waited for PostgreSQL: %v", err)
			}
			waitFor(t, func() bool {
				_, err := psql(t.Context(), url, "SELECT 1")
				return err == nil
			})
			b.Stop()
			assertGone(t, b.dir)
			if _, err := psql(t.Context(), url, "SELECT 1"); err == nil {
				t.Error("a stopped pooler answers")
			}
		})
	}
}
