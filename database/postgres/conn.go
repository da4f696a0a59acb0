package postgres

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"

	"github.com/schemagate/schemagate/database"
)

// Options are what the adapter needs besides the URL.
type Options struct {
	Service string
	// Schema holds our tables; empty: where they are found, else the connection's first schema.
	Schema string
	// Pooled: behind a transaction pooler; nil finds out.
	Pooled *bool
	// LeaseTTL is how long a silent leader's lease lasts; Interval is the time between its renewals.
	LeaseTTL, Interval time.Duration
}

// DB is one target database. It is used by one goroutine, but for the sessions and holdings it hands out.
type DB struct {
	config *pgconn.Config
	opt    Options
	schema string // once known
	conn   *pgconn.PgConn
	dialed chan dialed // a control connection under way; nil where there is none
	tag    string      // this service, in application names
	// What survey found out, once a takeover needs it.
	surveyed, pooled, checksClients bool
}

// Open parses the URL; it does not connect.
func Open(url string, opt Options) (*DB, error) {
	c, err := pgconn.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("%w: the database URL can't be read: %s", database.ErrConfig, whyUnread(url))
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = 10 * time.Second
	}
	// A cancelled context cancels the statement on the server, instead of leaving it to a connection nobody reads from.
	c.BuildContextWatcherHandler = func(pc *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: pc, DeadlineDelay: 2 * time.Second}
	}
	sum := sha256.Sum256([]byte(opt.Service + "\x00" + opt.Schema))
	return &DB{config: c, opt: opt, schema: opt.Schema, tag: "schemagate/" + hex.EncodeToString(sum[:4])}, nil
}

// whyUnread says what is wrong with a URL. The driver's words quote it, and do not find every password in it, so that it is asked
// again without user and password.
func whyUnread(url string) string {
	if at := strings.LastIndexByte(url, '@'); at >= 0 {
		url = "postgres://" + url[at+1:]
	}
	_, err := pgconn.ParseConfig(url)
	var outer, inner *pgconn.ParseConfigError
	for errors.As(err, &outer) && errors.As(outer.Unwrap(), &inner) {
		err = inner
	}
	if err != nil {
		why := err.Error()
		why = strings.TrimPrefix(why[strings.LastIndex(why, "`")+1:], ": ")
		if !strings.HasPrefix(why, "failed to parse as URL") {
			return why
		}
	}
	return "its port is no number, or a special character in its user or password is not percent-encoded"
}

// Traits says what PostgreSQL can promise.
func (d *DB) Traits() database.Traits {
	return database.Traits{Name: "PostgreSQL", Fenced: true, ReleaseTransaction: true}
}

// Address is this host's address as the database sees it: where other replicas may reach us. Empty while disconnected.
func (d *DB) Address() string {
	if d.conn == nil {
		return ""
	}
	host, _, err := net.SplitHostPort(d.conn.Conn().LocalAddr().String())
	if err != nil {
		return ""
	}
	return host
}

// connect opens a connection whose application_name says what it is for, from its first moment on.
func (d *DB) connect(ctx context.Context, role string, params map[string]string) (*pgconn.PgConn, error) {
	c := d.config.Copy()
	maps.Copy(c.RuntimeParams, params)
	c.RuntimeParams["application_name"] = d.tag + "/" + role
	one := oneConnection(c)
	conn, err := pgconn.ConnectConfig(ctx, one)
	if code(err) == "28000" && one != c { // pg_hba may let in only the kind of connection that was not tried
		conn, err = pgconn.ConnectConfig(ctx, c)
	}
	if err != nil {
		return nil, sortConnect(err)
	}
	return conn, nil
}

// oneConnection has sslmode=prefer, the default, ask for TLS and go on without it on the same connection where the server has
// none, as libpq does. pgconn would connect a second time, and a start with nothing to do is to cost one connection.
func oneConnection(c *pgconn.Config) *pgconn.Config {
	if c.TLSConfig == nil || len(c.Fallbacks) != 1 || c.Fallbacks[0].TLSConfig != nil || c.Fallbacks[0].Host != c.Host || c.Fallbacks[0].Port != c.Port {
		return c
	}
	one, dial, secure := c.Copy(), c.DialFunc, c.TLSConfig
	one.TLSConfig, one.Fallbacks = nil, nil
	one.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		if deadline, ok := ctx.Deadline(); ok {
			_ = conn.SetDeadline(deadline) // a connection that can't keep deadlines fails at its next use
		}
		answer := []byte{0}
		if _, err = conn.Write([]byte{0, 0, 0, 8, 4, 210, 22, 47}); err == nil { // SSLRequest
			_, err = io.ReadFull(conn, answer)
		}
		if err == nil && answer[0] == 'S' {
			t := tls.Client(conn, secure)
			if err = t.HandshakeContext(ctx); err == nil {
				_ = t.SetDeadline(time.Time{})
				return t, nil
			}
		}
		if err == nil && answer[0] != 'N' { // nothing else may precede the handshake
			err = errors.New("unexpected answer to the request for TLS")
		}
		if err != nil {
			_ = conn.Close() // the error in hand says more
			return nil, err
		}
		_ = conn.SetDeadline(time.Time{})
		return conn, nil
	}
	return one
}

// manners are the settings by which the server notices that a leader died: it looks after its client while a statement runs,
// and ends a transaction that sits idle for longer than any round trip takes. They are the session's own defaults, so that
// RESET ALL between migrations keeps them. A pooler would refuse them, or leave them on somebody else's session.
func (d *DB) manners(idle time.Duration) map[string]string {
	if d.pooled {
		return nil
	}
	m := map[string]string{"idle_in_transaction_session_timeout": num(idle.Milliseconds())}
	if d.checksClients {
		m["client_connection_check_interval"] = "1000"
	}
	return m
}

// control returns the connection for looks and takeovers, opening it if need be.
func (d *DB) control(ctx context.Context) (*pgconn.PgConn, error) {
	if d.conn != nil && !d.conn.IsClosed() {
		return d.conn, nil
	}
	var conn *pgconn.PgConn
	var err error
	if d.dialed != nil {
		made := <-d.dialed // bounded by the connection's own timeout
		d.dialed = nil
		conn, err = made.conn, made.err
	} else {
		conn, err = d.connect(ctx, "look", nil)
	}
	if err != nil {
		return nil, err
	}
	d.conn = conn
	return conn, nil
}

type dialed struct {
	conn *pgconn.PgConn
	err  error
}

// Dial begins to connect, while the caller has other things to do. The first look, or Disconnect, waits for it.
func (d *DB) Dial(ctx context.Context) {
	done := make(chan dialed, 1)
	d.dialed = done
	go func() {
		conn, err := d.connect(ctx, "look", nil)
		done <- dialed{conn, err}
	}()
}

// Disconnect closes the control connection.
func (d *DB) Disconnect() {
	if d.dialed != nil {
		d.conn = (<-d.dialed).conn
		d.dialed = nil
	}
	if d.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = d.conn.Close(ctx) // nothing is pending on it; the server notices in any case
	d.conn = nil
}

// query runs one statement on the control connection in one round trip and returns the first column of its rows.
func (d *DB) query(ctx context.Context, sql string, args ...string) ([][]byte, error) {
	conn, err := d.control(ctx)
	if err != nil {
		return nil, err
	}
	return column(ctx, conn, sql, args...)
}

func column(ctx context.Context, conn *pgconn.PgConn, sql string, args ...string) ([][]byte, error) {
	values := make([][]byte, len(args))
	for i, a := range args {
		values[i] = []byte(a)
	}
	res := conn.ExecParams(ctx, sql, values, nil, nil, nil).Read()
	if res.Err != nil {
		return nil, classify(conn, res.Err)
	}
	out := make([][]byte, len(res.Rows))
	for i, row := range res.Rows {
		out[i] = row[0]
	}
	return out, nil
}

// script runs several statements in one message and returns their results.
func script(ctx context.Context, conn *pgconn.PgConn, sql string) ([]*pgconn.Result, error) {
	res, err := conn.Exec(ctx, sql).ReadAll()
	if err != nil {
		return res, classify(conn, err)
	}
	return res, nil
}

// table names one of our tables, schema-qualified.
func (d *DB) table(name string) string {
	if d.schema == "" {
		return "schemagate_" + name
	}
	return ident(d.schema) + ".schemagate_" + name
}

func ident(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// lit writes a string literal that means the same whatever standard_conforming_strings, client_encoding or search_path a
// migration has left behind: an escape string of ASCII characters only.
func lit(s string) string {
	var b strings.Builder
	b.WriteString(" E'")
	for _, r := range s {
		switch {
		case r == 0:
		case r == '\'':
			b.WriteString("''")
		case r == '\\':
			b.WriteString(`\\`)
		case r < 0x80:
			b.WriteRune(r)
		case r <= 0xFFFF:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			fmt.Fprintf(&b, `\U%08X`, r)
		}
	}
	b.WriteString("'")
	return b.String()
}

func num[T int | int64](n T) string { return strconv.FormatInt(int64(n), 10) }

// survey finds out, once, what a takeover must know: whether something between us and the server shares its connections (the
// process id that we were given to cancel by is then not the server's own), and what the server can do.
func (d *DB) survey(ctx context.Context) error {
	if d.surveyed {
		return nil
	}
	rows, err := d.query(ctx, "select pg_catalog.pg_backend_pid()::text || ' ' || pg_catalog.current_setting('server_version_num')")
	if err != nil {
		return err
	}
	pid, version, _ := strings.Cut(string(rows[0]), " ")
	d.pooled = pid != strconv.FormatUint(uint64(d.conn.PID()), 10)
	if d.opt.Pooled != nil {
		d.pooled = *d.opt.Pooled
	}
	d.checksClients = len(version) == 6 && version >= "140000"
	d.surveyed = true
	return nil
}

func boolean(b bool) string { return strconv.FormatBool(b) }

func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) }
