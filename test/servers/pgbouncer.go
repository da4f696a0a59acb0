package servers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
)

// PoolMode is when PgBouncer takes a server connection back from a client.
type PoolMode string

// The pool modes.
const (
	SessionPooling     PoolMode = "session"
	TransactionPooling PoolMode = "transaction"
	StatementPooling   PoolMode = "statement"
)

// Bouncer is a PgBouncer in front of a PostgreSQL server.
type Bouncer struct {
	*server
	pg   *PG
	mode PoolMode
	bin  string
}

// PgBouncer starts a pooler for all databases of pg. In transaction mode, clients that take turns share one backend.
func PgBouncer(tb TB, pg *PG, mode PoolMode) *Bouncer {
	tb.Helper()
	b := &Bouncer{pg: pg, mode: mode}
	var err error
	if b.bin, err = bouncerBin(); err != nil {
		tb.Fatalf("pgbouncer: %v", err)
	}
	// It refuses to run as root.
	b.server = newServer(tb, "pgbouncer", "postgres", syscall.SIGKILL)
	b.stopSignal = syscall.SIGINT // finishes running queries; SIGTERM does not
	b.command, b.probe = b.launch, b.ping
	b.open(1)
	return b
}

func bouncerBin() (string, error) {
	for _, path := range []string{"pgbouncer", "/usr/sbin/pgbouncer"} {
		if found, err := exec.LookPath(path); err == nil {
			return found, nil
		}
	}
	return "", errors.New("no PgBouncer is installed (run `make setup`)")
}

func (b *Bouncer) launch() (launch, error) {
	host, pgPort, _ := strings.Cut(b.pg.Addr(), ":")
	auth := "trust"
	if b.pg.password != "" {
		auth = "scram-sha-256"
	}
	users := fmt.Sprintf("\"postgres\" \"%s\"\n", strings.ReplaceAll(b.pg.password, `"`, `""`))
	config := fmt.Sprintf(`[databases]
* = host=%s port=%s
[pgbouncer]
listen_addr = %s
listen_port = %s
unix_socket_dir =
auth_type = %s
auth_file = %s
pool_mode = %s
default_pool_size = 20
max_client_conn = 500
ignore_startup_parameters = extra_float_digits
admin_users = postgres
server_login_retry = 1
`, host, pgPort, b.host, b.ports[0], auth, b.file("users"), b.mode)
	for name, text := range map[string]string{"users": users, "pgbouncer.ini": config} {
		if err := os.WriteFile(b.file(name), []byte(text), 0o600); err != nil {
			return launch{}, err
		}
		if err := b.own(b.file(name)); err != nil {
			return launch{}, err
		}
	}
	return launch{path: b.bin, args: []string{b.file("pgbouncer.ini")}}, nil
}

func (b *Bouncer) file(name string) string { return filepath.Join(b.dir, name) }

func (b *Bouncer) ping(ctx context.Context) error {
	config, err := pgx.ParseConfig(b.Through(b.pg.DatabaseURL("pgbouncer"))) // its own console: PostgreSQL may be down
	if err != nil {
		return err
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// Through returns a URL of the PostgreSQL server (one of NewDatabase, for example) that leads through the pooler.
func (b *Bouncer) Through(databaseURL string) string {
	b.tb.Helper()
	if !strings.Contains(databaseURL, b.pg.Addr()) {
		b.tb.Fatalf("pgbouncer: the URL does not name the server %s", b.pg.Addr())
	}
	return strings.Replace(databaseURL, b.pg.Addr(), b.Addr(), 1)
}

// URL is the address of the database "postgres" through the pooler.
func (b *Bouncer) URL() string { return b.Through(b.pg.URL()) }
