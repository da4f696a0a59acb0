package mysql_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	driver "github.com/go-sql-driver/mysql"
	"go.uber.org/goleak"

	"github.com/schemagate/schemagate/database/databasetest"
	"github.com/schemagate/schemagate/database/mysql"
	"github.com/schemagate/schemagate/test/servers"
)

var (
	scope = servers.NewScope("mariadb")
	maria = sync.OnceValue(func() *servers.Maria { return servers.MariaDB(scope) })
)

type suite struct{ m *testing.M }

func (s suite) Run() int {
	defer scope.Close()
	return s.m.Run()
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(suite{m}) }

const (
	ttl      = 10 * time.Minute
	interval = time.Minute
)

// bench is one empty database on the server.
type bench struct {
	t         *testing.T
	url, name string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	u := maria().NewDatabase(t)
	return &bench{t, u, u[strings.LastIndex(u, "/")+1:]}
}

func (b *bench) exec(statement string) string {
	b.t.Helper()
	return maria().Exec(b.t, b.name, statement)
}

func (b *bench) open(service string) *mysql.DB {
	b.t.Helper()
	d, err := mysql.Open(b.url, mysql.Options{Service: service, LeaseTTL: ttl, Interval: interval})
	if err != nil {
		b.t.Fatal(err)
	}
	return d
}

// hold runs a statement on a connection that knows nothing of schemagate, in a transaction that stays open until release.
func (b *bench) hold(statements ...string) (release func(), err error) {
	b.t.Helper()
	ctx := context.WithoutCancel(b.t.Context())
	db, err := sql.Open("mysql", maria().DSN(b.name))
	if err != nil {
		b.t.Fatal(err)
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		b.t.Fatal(err)
	}
	release = func() {
		if _, err := conn.ExecContext(ctx, "ROLLBACK"); err != nil {
			b.t.Error(err)
		}
		if err := conn.Close(); err != nil {
			b.t.Error(err)
		}
		if err := db.Close(); err != nil {
			b.t.Error(err)
		}
	}
	for _, s := range append([]string{"BEGIN"}, statements...) {
		if _, err = conn.ExecContext(ctx, s); err != nil {
			return release, err
		}
	}
	return release, nil
}

func (b *bench) mustHold(statements ...string) func() {
	b.t.Helper()
	release, err := b.hold(statements...)
	if err != nil {
		b.t.Fatal(err)
	}
	return release
}

func fenceRow(service string) string {
	return "SELECT 1 FROM schemagate_fence WHERE service = '" + service + "' FOR UPDATE"
}

func (b *bench) target() databasetest.Target {
	return databasetest.Target{
		Open: func(t *testing.T, service string) databasetest.Client { return b.open(service) },
		Exec: func(t *testing.T, statement string) { b.exec(statement) },
		Numbers: func(t *testing.T, table string) (out []int) {
			for _, line := range strings.Fields(b.exec("SELECT n FROM " + table)) {
				n, err := strconv.Atoi(line)
				if err != nil {
					t.Fatal(err)
				}
				out = append(out, n)
			}
			return out
		},
		Busy: func(t *testing.T, service string) bool {
			release, err := b.hold(fenceRow(service) + " NOWAIT")
			release()
			var me *driver.MySQLError
			if errors.As(err, &me) && me.Number == 1205 {
				return true
			}
			if err != nil { // which tells nothing of the fence
				t.Fatal(err)
			}
			return false
		},
		Block:     func(t *testing.T, service string) func() { return b.mustHold(fenceRow(service)) },
		LockTable: func(t *testing.T, table string) func() { return b.lockTable(table) },
		Elapse: func(t *testing.T, service string, d time.Duration) {
			b.exec(fmt.Sprintf("UPDATE schemagate_lease SET renewed_at = renewed_at - INTERVAL %d MICROSECOND WHERE service = '%s'", d.Microseconds(), service))
		},
		TTL: ttl, Interval: interval,
		Bury: func(t *testing.T, service string) {
			id := b.exec("SELECT conn FROM schemagate_lease WHERE service = '" + service + "'")
			if !b.listed(id) {
				t.Fatalf("the lease's presence, connection %q, is not there", id)
			}
			b.exec("KILL " + id)
			b.until("the presence is gone", func() bool { return !b.listed(id) })
		},
		Glances: true,
		Forced:  true,
		Evicts:  true,
		Dialect: databasetest.SQL("SELECT SLEEP(3600)", "SET sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT'", "SET NAMES latin1",
			"SET SESSION tx_read_only = 1", "SET time_zone = '+05:45'", "SET timestamp = 1", "SET SESSION tx_isolation = 'SERIALIZABLE'",
			"SET foreign_key_checks = 0", "USE information_schema"),
	}
}

func (b *bench) lockTable(table string) func() {
	ctx := context.WithoutCancel(b.t.Context())
	db, err := sql.Open("mysql", maria().DSN(b.name))
	if err != nil {
		b.t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, "LOCK TABLES "+table+" WRITE"); err != nil {
		b.t.Fatal(err)
	}
	return func() {
		if _, err := db.ExecContext(ctx, "UNLOCK TABLES"); err != nil {
			b.t.Error(err)
		}
		if err := db.Close(); err != nil {
			b.t.Error(err)
		}
	}
}

func (b *bench) listed(id string) bool {
	b.t.Helper()
	return b.exec("SELECT count(*) FROM information_schema.PROCESSLIST WHERE ID = "+id) != "0"
}

func (b *bench) until(what string, ask func() bool) {
	b.t.Helper()
	for !ask() {
		if b.t.Context().Err() != nil {
			b.t.Fatalf("never: %s", what)
		}
		<-time.After(2 * time.Millisecond)
	}
}

func TestConformance(t *testing.T) {
	databasetest.Run(t, func(t *testing.T) databasetest.Target { return newBench(t).target() })
}

// The defaults of a server are its owner's; our own statements must not depend on them.
func TestConformanceWhateverTheServersDefaults(t *testing.T) {
	b := newBench(t)
	for setting, value := range map[string]string{"sql_mode": "'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,EMPTY_STRING_IS_NULL'", "tx_isolation": "'SERIALIZABLE'",
		"time_zone": "'+05:45'", "innodb_lock_wait_timeout": "500"} {
		before := b.exec("SELECT @@GLOBAL." + setting)
		if _, err := strconv.Atoi(before); err != nil {
			before = "'" + before + "'"
		}
		b.exec("SET GLOBAL " + setting + " = " + value)
		t.Cleanup(func() { b.exec("SET GLOBAL " + setting + " = " + before) })
	}
	databasetest.Run(t, func(t *testing.T) databasetest.Target { return newBench(t).target() })
}
