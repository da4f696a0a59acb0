package servers

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/go-sql-driver/mysql"
)

// Maria is a MariaDB server. Its superuser is root, without a password.
type Maria struct {
	*server
	bin      string
	settings []string
	certs    *Certificates // with MariaTLS
}

// MariaOption changes how a MariaDB server starts.
type MariaOption func(*Maria)

// MariaSetting sets a variable of the server.
func MariaSetting(name, value string) MariaOption {
	return func(m *Maria) { m.settings = append(m.settings, "--"+name+"="+value) }
}

// MariaTLS has the server speak TLS to who asks for it, and to users that it is required of; see Certificates.
func MariaTLS() MariaOption { return func(m *Maria) { m.certs = new(Certificates) } }

// MariaDB starts a server of the test's own.
func MariaDB(tb TB, opts ...MariaOption) *Maria {
	tb.Helper()
	m := &Maria{}
	for _, o := range opts {
		o(m)
	}
	var err error
	if m.bin, err = mariaBin(); err != nil {
		tb.Fatalf("mariadb: %v", err)
	}
	template, err := mariaTemplate(m.bin)
	if err != nil {
		tb.Fatalf("mariadb: %v", err)
	}
	m.server = newServer(tb, "mariadb", "mysql", syscall.SIGKILL)
	m.command, m.probe = m.launch, m.ping
	if err := runCommand("cp", "-a", template, m.data()); err != nil {
		tb.Fatalf("mariadb: %v", err)
	}
	if m.certs != nil {
		if m.certs, err = newCertificates(m.dir); err != nil {
			tb.Fatalf("mariadb: %v", err)
		}
		for _, path := range []string{m.certs.CA, m.certs.ServerCert, m.certs.ServerKey} {
			if err := m.own(path); err != nil {
				tb.Fatalf("mariadb: %v", err)
			}
		}
		m.settings = append(m.settings, "--ssl-ca="+m.certs.CA, "--ssl-cert="+m.certs.ServerCert, "--ssl-key="+m.certs.ServerKey)
	}
	m.open(1)
	return m
}

// Certificates are the server's with MariaTLS.
func (m *Maria) Certificates() *Certificates { return m.certs }

// Socket is the path of the server's Unix socket.
func (m *Maria) Socket() string { return filepath.Join(m.data(), "socket") }

func mariaBin() (string, error) {
	for _, path := range []string{"mariadbd", "/usr/sbin/mariadbd"} { // not every user has sbin on PATH
		if found, err := exec.LookPath(path); err == nil {
			return found, nil
		}
	}
	return "", errors.New("no MariaDB server is installed (run `make setup`)")
}

func mariaTemplate(bin string) (string, error) {
	version, err := exec.Command(bin, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("ask mariadbd for its version: %w", err)
	}
	_, after, _ := strings.Cut(string(version), "Ver ")
	return dataTemplate("mariadb", "mysql", strings.SplitN(after+" ", " ", 2)[0], func(dir string, as *syscall.Credential) *exec.Cmd {
		cmd := exec.Command("mariadb-install-db", "--no-defaults", "--datadir="+filepath.Join(dir, "data"),
			"--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve", "--innodb-log-file-size=8M")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
		return cmd
	})
}

func (m *Maria) data() string { return filepath.Join(m.dir, "data") }

func (m *Maria) launch() (launch, error) {
	// Relative to the data directory, as a path of a socket may have 107 characters only.
	return launch{path: m.bin, args: append([]string{
		"--no-defaults", "--datadir=" + m.data(), "--socket=socket", "--pid-file=" + filepath.Join(m.dir, "pid"),
		"--port=" + m.ports[0].String(), "--bind-address=" + m.host, "--skip-name-resolve",
		"--innodb-buffer-pool-size=32M", "--innodb-log-file-size=8M", "--innodb-flush-log-at-trx-commit=2",
		"--performance-schema=OFF", "--skip-log-bin", "--character-set-server=utf8mb4",
	}, m.settings...)}, nil
}

func (m *Maria) ping(ctx context.Context) error {
	db, err := sql.Open("mysql", m.DSN(""))
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	return db.PingContext(ctx)
}

// DSN is the address of a database as go-sql-driver/mysql wants it.
func (m *Maria) DSN(database string) string {
	c := mysql.NewConfig()
	c.User, c.Net, c.Addr, c.DBName = "root", "tcp", m.Addr(), database
	c.Logger = &mysql.NopLogger{}
	return c.FormatDSN()
}

// URL is the address of the server, naming no database.
func (m *Maria) URL() string { return m.DatabaseURL("") }

// DatabaseURL is the address of the named database.
func (m *Maria) DatabaseURL(name string) string { return "mysql://root@" + m.Addr() + "/" + name }

// NewDatabase makes an empty database and returns its URL. It is dropped after the test.
func (m *Maria) NewDatabase(tb TB) string {
	tb.Helper()
	name := databaseName()
	m.Exec(tb, "", "CREATE DATABASE "+name)
	tb.Cleanup(func() {
		if m.answers() { // else it goes with the server
			// A session that a test left in a transaction holds a metadata lock that the drop would wait for.
			m.Exec(tb, "", "SET lock_wait_timeout = 5; DROP DATABASE "+name)
		}
	})
	return m.DatabaseURL(name)
}

// Exec runs SQL, one statement or several, in the named database and returns the rows of all as
// lines with | between the columns.
func (m *Maria) Exec(tb TB, database, query string) string {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	out, err := m.query(ctx, database, query)
	if err != nil {
		tb.Fatalf("run %q: %v", query, err)
	}
	return out
}

func (m *Maria) query(ctx context.Context, database, query string) (string, error) {
	config, err := mysql.ParseDSN(m.DSN(database))
	if err != nil {
		return "", err
	}
	config.MultiStatements = true
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return "", err
	}
	db := sql.OpenDB(connector)
	defer func() { _ = db.Close() }()
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return "", err
	}
	defer func() { _ = rows.Close() }()
	var lines []string
	for more := true; more; more = rows.NextResultSet() {
		columns, err := rows.Columns()
		if err != nil {
			return "", err
		}
		values := make([]sql.RawBytes, len(columns))
		targets := make([]any, len(columns))
		for i := range values {
			targets[i] = &values[i]
		}
		for rows.Next() {
			if err := rows.Scan(targets...); err != nil {
				return "", err
			}
			texts := make([]string, len(values))
			for i, v := range values {
				texts[i] = string(v)
			}
			lines = append(lines, strings.Join(texts, "|"))
		}
	}
	return strings.Join(lines, "\n"), rows.Err()
}
