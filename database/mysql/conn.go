package mysql

import (
	"context"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	mysql "github.com/go-sql-driver/mysql"

	"github.com/schemagate/schemagate/database"
)

// Options are what the adapter needs besides the URL.
type Options struct {
	Service string
	// Schema is the database that holds our tables; empty: the connection's own.
	Schema string
	// LeaseTTL is how long a silent leader's lease lasts; Interval is the time between its renewals.
	LeaseTTL, Interval time.Duration
}

// DB is one target database. It is used by one goroutine, but for the sessions and holdings it hands out.
type DB struct {
	config    *mysql.Config
	connector driver.Connector
	opt       Options
	user      string
	name      string // the connection's own database
	schema    string // where our tables are
	conn      *conn
	local     atomic.Value // this host's address, as the server sees it: string
}

// Open parses the URL; it does not connect.
func Open(url string, opt Options) (*DB, error) {
	c, err := parse(url)
	if err != nil {
		return nil, configError(err)
	}
	if c.DBName == "" {
		return nil, fmt.Errorf("%w: the database URL names no database: write mysql://USER:PASSWORD@HOST:PORT/DATABASE", database.ErrConfig)
	}
	d := &DB{opt: opt, user: c.User, name: c.DBName, schema: orElse(opt.Schema, c.DBName)}
	c.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := (&net.Dialer{KeepAlive: 5 * time.Second}).DialContext(ctx, network, addr)
		if err == nil {
			if host, _, err := net.SplitHostPort(c.LocalAddr().String()); err == nil {
				d.local.Store(host)
			}
		}
		return c, err
	}
	d.config = c
	if d.connector, err = mysql.NewConnector(c); err != nil {
		return nil, configError(err)
	}
	return d, nil
}

// Address is this host's address as the database sees it: where other replicas may reach us. Empty before the first connection.
func (d *DB) Address() string {
	host, _ := d.local.Load().(string)
	return host
}

// Traits says what MariaDB and MySQL can promise.
func (d *DB) Traits() database.Traits {
	return database.Traits{Name: "MySQL", Fenced: true}
}

// conn is one connection. Whatever breaks it, broken says so: its statement may go on at the server.
type conn struct {
	dc     driver.Conn
	at     place // of one that writes for a term: the server, and its name for the connection
	tidy   bool  // its session is set as our own statements want it
	broken bool
}

func (d *DB) connect(ctx context.Context) (*conn, error) {
	dc, err := d.connector.Connect(ctx)
	if err != nil {
		return nil, d.sortConnect(err)
	}
	return &conn{dc: dc}, nil
}

func (c *conn) close() { _ = c.dc.Close() } // the server rolls back and forgets what its client left

// exec runs one statement and returns the number of rows it met.
func (c *conn) exec(ctx context.Context, sql string) (int64, error) {
	res, err := c.dc.(driver.ExecerContext).ExecContext(ctx, sql, nil)
	if err != nil {
		return 0, c.note(err)
	}
	return res.RowsAffected()
}

func (c *conn) run(ctx context.Context, statements ...string) error {
	for _, s := range statements {
		if _, err := c.exec(ctx, s); err != nil {
			return classify(err)
		}
	}
	return nil
}

// rows runs one query; a NULL reads as an empty text.
func (c *conn) rows(ctx context.Context, sql string) (out [][]string, err error) {
	r, err := c.dc.(driver.QueryerContext).QueryContext(ctx, sql, nil)
	if err != nil {
		return nil, c.note(err)
	}
	defer func() { err = c.note(errors.Join(err, r.Close())) }()
	values := make([]driver.Value, len(r.Columns()))
	for {
		if err := r.Next(values); errors.Is(err, io.EOF) {
			return out, nil
		} else if err != nil {
			return nil, err
		}
		row := make([]string, len(values))
		for i, v := range values {
			switch v := v.(type) {
			case nil:
			case []byte:
				row[i] = string(v)
			default:
				row[i] = fmt.Sprint(v)
			}
		}
		out = append(out, row)
	}
}

func (c *conn) note(err error) error {
	var me *mysql.MySQLError
	if err == nil || errors.As(err, &me) {
		return err
	}
	// What the driver itself refuses, such as LOAD DATA LOCAL or too large a packet, leaves the connection as it was.
	v, ok := c.dc.(driver.Validator)
	c.broken = c.broken || !ok || !v.IsValid() || errors.Is(err, driver.ErrBadConn) || errors.Is(err, mysql.ErrInvalidConn)
	return err
}

// manners set a session as our own statements want it, whatever the server's defaults are.
var manners = []string{
	"SET SESSION autocommit = 1, innodb_lock_wait_timeout = 1, lock_wait_timeout = 5, sql_mode = 'STRICT_TRANS_TABLES', wait_timeout = 2147483",
	"SET NAMES utf8mb4",
	"SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
}

func (c *conn) behave(ctx context.Context) error {
	if c.tidy {
		return nil
	}
	if err := c.run(ctx, manners...); err != nil {
		return err
	}
	c.tidy = true
	return nil
}

// control returns the connection for looks and takeovers, opening it if need be. What looks once and disconnects does without
// any setting.
func (d *DB) control(ctx context.Context, tidy bool) (*conn, error) {
	if d.conn != nil && d.conn.broken {
		d.Disconnect()
	}
	if d.conn == nil {
		c, err := d.connect(ctx)
		if err != nil {
			return nil, err
		}
		d.conn = c
	} else {
		tidy = true // a second look must not see the first one's snapshot, where the server's default is autocommit = 0
	}
	if tidy {
		if err := d.conn.behave(ctx); err != nil {
			return nil, err
		}
	}
	return d.conn, nil
}

// Disconnect closes the control connection.
func (d *DB) Disconnect() {
	if d.conn != nil {
		d.conn.close()
		d.conn = nil
	}
}

// table names one of our tables, qualified.
func (d *DB) table(name string) string { return ident(d.schema) + ".schemagate_" + name }

// mine narrows a statement down to this service.
func (d *DB) mine() string { return " WHERE service = " + lit(d.opt.Service) }

func ident(s string) string { return "`" + strings.ReplaceAll(s, "`", "``") + "`" }

// lit writes a text that means the same whatever sql_mode or character set a migration has left behind.
func lit(s string) string {
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD")
	return "_utf8mb4 x'" + hex.EncodeToString([]byte(s)) + "'"
}

func num[T int | int64](n T) string { return strconv.FormatInt(int64(n), 10) }

func parseInt(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	return strconv.ParseInt(s, 10, 64)
}
