package mysql_test

import (
	"encoding/pem"
	"errors"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/database/mysql"
)

func TestOpenRefusesAndKeepsThePassword(t *testing.T) {
	const secret = "s3cr"
	for name, x := range map[string]struct{ url, says string }{
		"slash in the password": {"mysql://u:s3cr/et@h:1/db", "%2F"},
		"port":                  {"mysql://u:s3cr@h:port/db", "mysql://USER"},
		"hash":                  {"mysql://u:s3cr#et@h/db", "%23"},
		"no database":           {"mysql://u:s3cr@h:1/", "names no database"},
		"two databases":         {"mysql://u:s3cr@h:1/a/b", "one database"},
		"unknown parameter":     {"mysql://u:s3cr@h:1/db?ssl-cs=x", "ssl-cs"},
		"parameters":            {"mysql://u:s3cr@h:1/db?a=%zz", "not well-formed"},
		"tls":                   {"mysql://u:s3cr@h:1/db?tls=maybe", "tls=maybe"},
		"no such authority":     {"mysql://u:s3cr@h:1/db?ssl-ca=/no/such.pem", "ssl-ca"},
		"key without its other": {"mysql://u:s3cr@h:1/db?ssl-cert=/no/such.pem", "ssl-cert"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := mysql.Open(x.url, mysql.Options{Service: service})
			if !errors.Is(err, database.ErrConfig) || !strings.Contains(err.Error(), x.says) || strings.Contains(err.Error(), secret) {
				t.Errorf("error %v", err)
			}
		})
	}
}

// as is a client under another name and password.
func (b *bench) as(user, password, query string) *mysql.DB {
	b.t.Helper()
	u, err := url.Parse(b.url)
	b.must(err)
	u.User, u.RawQuery = url.UserPassword(user, password), query
	d, err := mysql.Open(u.String(), mysql.Options{Service: service, LeaseTTL: ttl, Interval: interval})
	b.must(err)
	b.t.Cleanup(d.Disconnect)
	return d
}

func (b *bench) user(password, grant string) string {
	b.t.Helper()
	name := "u" + b.name[len(b.name)-8:]
	b.exec("CREATE USER '" + name + "' IDENTIFIED BY '" + password + "'")
	b.t.Cleanup(func() { b.exec("DROP USER '" + name + "'") })
	if grant != "" {
		b.exec("GRANT " + grant + " ON " + b.name + ".* TO '" + name + "'")
	}
	return name
}

func TestDeniedSaysWhatIsMissing(t *testing.T) {
	b := newBench(t)
	const password = "p@ss:w/rd?#%"
	for name, x := range map[string]struct {
		grant, password string
		prepare         bool
		says            string
	}{
		"password":  {"SELECT", "wrong" + password, false, "Access denied"},
		"no right":  {"", password, false, "GRANT SELECT, INSERT"},
		"no create": {"SELECT", password, true, "GRANT CREATE"},
	} {
		t.Run(name, func(t *testing.T) {
			b := &bench{t, b.url, b.name}
			d := b.as(b.user(password, x.grant), x.password, "")
			_, err := d.Look(t.Context(), database.Query{Since: -1})
			if x.prepare {
				b.must(err)
				err = d.Prepare(t.Context())
			}
			if !errors.Is(err, database.ErrDenied) || !strings.Contains(err.Error(), x.says) || strings.Contains(err.Error(), password) {
				t.Errorf("error %v, want one that says %q", err, x.says)
			}
		})
	}
	d, err := mysql.Open(b.url+"_missing", mysql.Options{Service: service})
	b.must(err)
	if _, err := d.Look(t.Context(), database.Query{}); !errors.Is(err, database.ErrDenied) {
		t.Errorf("a database that is not there: %v", err)
	}
	d, err = mysql.Open("mysql://root@127.0.0.1:1/x", mysql.Options{Service: service})
	b.must(err)
	if _, err := d.Look(t.Context(), database.Query{}); !errors.Is(err, database.ErrUnreachable) {
		t.Errorf("a server that is not there: %v", err)
	}
}

// A follower may be another user than the leader, who sees nothing of the leader's connections: that proves nobody dead.
func TestAnotherUserCallsNobodyDead(t *testing.T) {
	b := newBench(t)
	d := b.prepared()
	h, err := d.Acquire(t.Context(), database.Claim{Holder: database.NewHolder(), Replica: "leader"})
	b.must(err)
	defer func() { b.must(h.Release(t.Context())) }()
	b.exec("UPDATE schemagate_lease SET renewed_at = renewed_at - INTERVAL 180 SECOND")
	v, err := b.as(b.user("p", "SELECT"), "p", "").Look(t.Context(), database.Query{Since: -1})
	b.must(err)
	if !v.Lease.Alive || v.Lease.Dead {
		t.Errorf("lease %+v, want alive", v.Lease)
	}
}

// A start with nothing to do costs one connection and one query.
func TestLookIsOneQuery(t *testing.T) {
	b := newBench(t)
	b.prepared()
	user := b.user("p", "SELECT")
	b.exec("SET GLOBAL log_output = 'TABLE'")
	b.exec("SET GLOBAL general_log = 1")
	d := b.as(user, "p", "")
	_, err := d.Look(t.Context(), database.Query{Digest: "d", Since: -1})
	d.Disconnect()
	b.exec("SET GLOBAL general_log = 0")
	b.exec("SET GLOBAL log_output = 'FILE'")
	b.must(err)
	got := b.exec("SELECT command_type, count(*) FROM mysql.general_log WHERE user_host LIKE '%" + user + "%' AND command_type <> 'Quit' GROUP BY 1 ORDER BY 1")
	if got != "Connect|1\nQuery|1" {
		t.Errorf("the server saw %q", got)
	}
}

// Where TLS is asked for, nothing goes on without it.
func TestTLSIsNotDroppedSilently(t *testing.T) {
	b := newBench(t)
	user := b.user("p", "SELECT")
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	b.must(os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600))
	for _, query := range []string{"tls=true", "tls=skip-verify", "ssl-mode=REQUIRED", "ssl-ca=" + url.QueryEscape(ca)} {
		if _, err := b.as(user, "p", query).Look(t.Context(), database.Query{}); !errors.Is(err, database.ErrDenied) {
			t.Errorf("%s with a server that has no TLS: %v", query, err)
		}
	}
	for _, query := range []string{"tls=preferred", "tls=false", "", "parseTime=true&charset=utf8mb4&connection_limit=5"} {
		if _, err := b.as(user, "p", query).Look(t.Context(), database.Query{}); err != nil {
			t.Errorf("%s: %v", query, err)
		}
	}
}

// After a restart of the server no session of before stands, whatever has its number now; on another server that is written to
// at the same time it might.
func TestSessionsOfAnotherServer(t *testing.T) {
	b := newBench(t)
	d := b.prepared()
	b.lead(d)
	own := b.exec("SELECT conn FROM schemagate_sessions")
	b.exec("INSERT INTO schemagate_sessions SELECT service, server, " + own + ", started - 3600, 0, 'h' FROM schemagate_sessions")
	b.exec("INSERT INTO schemagate_sessions SELECT service, 'elsewhere:3306', 7, started, 0, 'h' FROM schemagate_sessions WHERE term = 1")
	ctx, v := t.Context(), database.Term{Number: 1}
	if err := d.Drain(ctx, v); err != nil {
		t.Error(err)
	}
	if !b.listed(own) {
		t.Errorf("connection %s was ended for what had its number before the restart", own)
	}
	if got := b.exec("SELECT COUNT(*) FROM schemagate_sessions"); got != "1" {
		t.Errorf("%s sessions on record, want the one that stands", got)
	}
}

// A busy DDL statement that takes longer than it may is the change's own fault, and did not run.
func TestStatementTimeoutOfDDL(t *testing.T) {
	b := newBench(t)
	b.exec("CREATE TABLE items (n int)")
	d := b.prepared()
	s := b.lead(d)
	defer b.mustHold("SELECT * FROM items")()
	ch := b.file("ALTER TABLE items ADD COLUMN a int;\n")
	ch.LockTimeout, ch.StatementTimeout = time.Hour, 50*time.Millisecond
	var se *database.StatementError
	if err := s.Apply(t.Context(), ch); !errors.As(err, &se) || se.Hint != "SCHEMAGATE_STATEMENT_TIMEOUT" || errors.Is(err, database.ErrInterrupted) {
		t.Errorf("error %v", err)
	}
	if e := b.last(d); e.Kind != database.Running || e.Trying != 0 {
		t.Errorf("the last event is %+v", e)
	}
}

// What the driver or the server can't take is the file's own fault, not an interruption that is tried for ever.
func TestWhatCannotBeSent(t *testing.T) {
	b := newBench(t)
	b.exec("CREATE TABLE items (n int)")
	s := b.lead(b.prepared())
	large := b.file("DO '" + strings.Repeat("x", 17<<20) + "';\n")
	down := b.file("DO 1;\n")
	down.Down = &large.Text
	for name, ch := range map[string]database.Change{"local file": b.file("LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE items;\n"), "large": large, "large way back": down} {
		var se *database.StatementError
		if err := s.Apply(t.Context(), ch); !errors.As(err, &se) || errors.Is(err, database.ErrInterrupted) || errors.Is(err, database.ErrUnreachable) {
			t.Errorf("%s: error %.200v", name, err)
		}
	}
	b.must(s.Apply(t.Context(), b.file("/*!99999 SET nonsense = 1 */;\nDO 1;\n")))
}
