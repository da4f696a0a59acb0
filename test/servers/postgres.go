package servers

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"
)

// PG is a PostgreSQL server.
type PG struct {
	*server
	settings map[string]string
	password string
	bin      string
	disk     disk
	certs    *Certificates // with PostgresTLS
}

// PGOption changes how a PostgreSQL server starts.
type PGOption func(*PG)

// Setting sets a parameter of postgresql.conf.
func Setting(name, value string) PGOption {
	return func(p *PG) { p.settings[name] = value }
}

// MaxConnections limits the connections, the three that are reserved for superusers included.
func MaxConnections(n int) PGOption { return Setting("max_connections", fmt.Sprint(n)) }

// Fsync makes the server write as durably as it does by default elsewhere, at its usual cost.
func Fsync() PGOption {
	return func(p *PG) { p.settings["fsync"], p.settings["full_page_writes"] = "on", "on" }
}

// Password makes the server ask for it (SCRAM), for every user; URL carries it.
func Password(password string) PGOption {
	return func(p *PG) { p.password = password }
}

// Postgres starts a server of the test's own. Its superuser is postgres, without a password unless asked.
func Postgres(tb TB, opts ...PGOption) *PG {
	tb.Helper()
	p := &PG{settings: map[string]string{
		"fsync":                      "off",
		"full_page_writes":           "off",
		"max_connections":            "100",
		"shared_buffers":             "16MB",
		"listen_addresses":           "127.0.0.1",
		"unix_socket_directories":    "",
		"dynamic_shared_memory_type": "mmap", // in the data directory: a killed server leaves none behind
		"log_line_prefix":            "%m [%p] %a: ",
	}}
	for _, o := range opts {
		o(p)
	}
	var err error
	if p.bin, err = postgresBin(); err != nil {
		tb.Fatalf("postgres: %v", err)
	}
	template, err := postgresTemplate(p.bin)
	if err != nil {
		tb.Fatalf("postgres: %v", err)
	}
	// SIGQUIT, immediate shutdown: it ends the backends at once and leaves no shared memory behind, as SIGKILL would.
	p.server = newServer(tb, "postgres", "postgres", syscall.SIGQUIT)
	p.stopSignal = syscall.SIGINT // fast: ends the sessions
	p.command, p.probe, p.killed = p.launch, p.ping, p.removeSharedMemory
	if err := p.mountDisk(); err != nil {
		tb.Fatalf("postgres: %v", err)
	}
	if err := p.initialise(template); err != nil {
		tb.Fatalf("postgres: %v", err)
	}
	p.open(1)
	if p.password != "" {
		p.requirePassword()
	}
	return p
}

func (p *PG) data() string { return filepath.Join(p.dir, "data") }

func (p *PG) initialise(template string) error {
	// cp keeps owner and modes, which the server insists on.
	if err := runCommand("cp", "-aT", template, p.data()); err != nil {
		return err
	}
	return p.secure()
}

func (p *PG) launch() (launch, error) {
	args := []string{"-D", p.data(), "-p", p.ports[0].String()}
	for _, name := range slices.Sorted(maps.Keys(p.settings)) {
		args = append(args, "-c", name+"="+p.settings[name])
	}
	return launch{path: filepath.Join(p.bin, "postgres"), args: args}, nil
}

// removeSharedMemory removes the System V segment by which a server of this data directory would notice that another
// still runs. A killed server leaves it to the next start, which may never come.
func (p *PG) removeSharedMemory() error {
	b, err := os.ReadFile(filepath.Join(p.data(), "postmaster.pid"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	lines := strings.Split(string(b), "\n")
	if len(lines) < 7 {
		return nil // killed before it had one
	}
	var key, id int
	if _, err := fmt.Sscan(lines[6], &key, &id); err != nil {
		return nil // not yet written
	}
	if _, err := unix.SysvShmCtl(id, unix.IPC_RMID, nil); err != nil && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("remove shared memory %d: %w", id, err)
	}
	return nil
}

func (p *PG) ping(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, p.URL())
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// requirePassword turns trust into SCRAM, once the password is set.
func (p *PG) requirePassword() {
	p.tb.Helper()
	p.Exec(p.tb, "ALTER ROLE postgres PASSWORD "+quoteLiteral(p.password))
	const hba = "host all all 127.0.0.1/32 scram-sha-256\nhost replication all 127.0.0.1/32 scram-sha-256\n"
	if err := os.WriteFile(filepath.Join(p.data(), "pg_hba.conf"), []byte(hba), 0o600); err != nil {
		p.tb.Fatalf("postgres: %v", err)
	}
	p.Exec(p.tb, "SELECT pg_reload_conf()")
	p.Restart()
}

// URL is the address of the database "postgres", as its superuser.
func (p *PG) URL() string { return p.DatabaseURL("postgres") }

// DatabaseURL is the address of the named database, as the superuser.
func (p *PG) DatabaseURL(name string) string {
	u := url.URL{Scheme: "postgres", User: url.User("postgres"), Host: p.Addr(), Path: "/" + name, RawQuery: "sslmode=disable"}
	if p.password != "" {
		u.User = url.UserPassword("postgres", p.password)
	}
	return u.String()
}

// NewDatabase makes an empty database and returns its URL. It is dropped after the test, whoever is still connected.
func (p *PG) NewDatabase(tb TB) string {
	tb.Helper()
	name := databaseName()
	p.Exec(tb, "CREATE DATABASE "+name)
	tb.Cleanup(func() {
		if p.answers() { // else it goes with the server
			p.Exec(tb, "DROP DATABASE "+name+" WITH (FORCE)")
		}
	})
	return p.DatabaseURL(name)
}

// Exec runs SQL in the database "postgres" and returns what psql -At would print.
func (p *PG) Exec(tb TB, sql string) string {
	tb.Helper()
	return Psql(tb, p.URL(), sql)
}

// StopMode is how PostgreSQL shuts down.
type StopMode syscall.Signal

// Smart waits for the sessions to end, Fast ends them, Immediate crashes in good order.
const (
	Smart     = StopMode(syscall.SIGTERM)
	Fast      = StopMode(syscall.SIGINT)
	Immediate = StopMode(syscall.SIGQUIT)
)

// Stop shuts the server down and waits for its end.
func (p *PG) Stop(mode StopMode) {
	p.tb.Helper()
	p.must("stop", func() error { return p.stop(syscall.Signal(mode)) })
}

// Psql runs SQL, one statement or several, over a connection of its own and returns the rows as psql -At would print them.
func Psql(tb TB, databaseURL, sql string) string {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	out, err := psql(ctx, databaseURL, sql)
	if err != nil {
		tb.Fatalf("run %q: %v", sql, err)
	}
	return out
}

func psql(ctx context.Context, databaseURL, sql string) (string, error) {
	conn, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		return "", err
	}
	results, err := conn.PgConn().Exec(ctx, sql).ReadAll()
	var lines []string
	for _, r := range results {
		for _, row := range r.Rows {
			var b strings.Builder
			for i, value := range row {
				if i > 0 {
					b.WriteByte('|')
				}
				b.Write(value)
			}
			lines = append(lines, b.String())
		}
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_ = conn.Close(closing) // a session that the SQL has ended is no error
	return strings.Join(lines, "\n"), err
}

func quoteLiteral(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

var sharedPG struct {
	sync.Mutex
	pg *PG
}

// SharedPostgres returns the server that all tests of this binary share, and starts it at the first call. It is for
// tests that need a database (NewDatabase), not for those that disturb the server.
func SharedPostgres(tb TB) *PG {
	tb.Helper()
	sharedPG.Lock()
	defer sharedPG.Unlock()
	if sharedPG.pg == nil {
		sharedPG.pg = Postgres(shared, MaxConnections(300))
	}
	return sharedPG.pg
}

func forgetSharedPostgres() {
	sharedPG.Lock()
	defer sharedPG.Unlock()
	sharedPG.pg = nil
}
