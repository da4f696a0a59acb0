package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/schemagate/schemagate/database"
)

// scratch is a database of its own on the same server.
type scratch struct {
	*DB
	parent *DB
}

// NewScratch makes a database like the one of the URL, but empty.
func (d *DB) NewScratch(ctx context.Context) (database.Scratch, error) {
	rows, err := d.query(ctx, "select ' encoding ' || pg_catalog.quote_literal(pg_catalog.pg_encoding_to_char(encoding)) || ' lc_collate ' || "+
		"pg_catalog.quote_literal(datcollate) || ' lc_ctype ' || pg_catalog.quote_literal(datctype) from pg_catalog.pg_database where datname = pg_catalog.current_database()")
	if err != nil {
		return nil, err
	}
	name := database.NewScratchName()
	if _, err := script(ctx, d.conn, "create database "+ident(name)+" template template0"+string(rows[0])); err != nil {
		if code(err) == "42501" {
			err = fmt.Errorf("%w; a scratch database needs: ALTER ROLE %s CREATEDB", err, ident(d.config.User))
		}
		return nil, fmt.Errorf("create the scratch database: %w", err)
	}
	c := d.config.Copy()
	c.Database = name
	return &scratch{&DB{config: c, opt: d.opt, schema: d.opt.Schema, tag: d.tag}, d}, nil
}

func (s *scratch) Name() string { return s.config.Database }

// Drop also ends what is connected to it, where the server can.
func (s *scratch) Drop(ctx context.Context) error {
	s.Disconnect()
	return s.parent.dropScratch(ctx, s.Name())
}

func (d *DB) dropScratch(ctx context.Context, name string) error {
	conn, err := d.control(ctx)
	if err != nil {
		return err
	}
	_, err = script(ctx, conn, "drop database if exists "+ident(name)+" with (force)")
	if code(err) == "42601" { // before PostgreSQL 13
		_, err = script(ctx, conn, "drop database if exists "+ident(name))
	}
	if code(err) == "55006" {
		err = fmt.Errorf("%w: %w", database.ErrInUse, err)
	}
	if err != nil {
		return fmt.Errorf("drop the scratch database %s: %w", name, err)
	}
	return nil
}

// Sweep leaves those that belong to another role.
func (d *DB) Sweep(ctx context.Context, age time.Duration) (dropped []string, err error) {
	rows, err := d.query(ctx, "select datname from pg_catalog.pg_database where pg_catalog.starts_with(datname, $1) and pg_catalog.pg_has_role(datdba, 'usage')", database.ScratchPrefix)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		if name := string(row); database.ScratchOlder(name, age) {
			if err := d.dropScratch(ctx, name); err != nil {
				return dropped, err
			}
			dropped = append(dropped, name)
		}
	}
	return dropped, nil
}

// Try runs on a fresh connection, in one transaction.
func (s *scratch) Try(ctx context.Context, c database.Change, _ string, keep bool) error {
	conn, err := s.connect(ctx, "try", nil)
	if err != nil {
		return err
	}
	defer closeNow(conn)
	if _, err := script(ctx, conn, "begin isolation level read committed; "+limits(c)); err != nil {
		return err
	}
	if err := (&session{db: s.DB, conn: conn}).statements(ctx, c); err != nil || !keep {
		return err // the server rolls back what its client left
	}
	_, err = script(ctx, conn, "commit")
	return err
}

func closeNow(conn *pgconn.PgConn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx) // nothing is pending on it
}

// Schema asks the catalogue, with no search_path, so that every name in a definition is qualified.
func (s *scratch) Schema(ctx context.Context) (database.Objects, error) {
	conn, err := s.control(ctx)
	if err != nil {
		return nil, err
	}
	defer rollback(conn)
	if _, err := script(ctx, conn, "begin isolation level repeatable read read only; set local search_path = ''; set local jit = off"); err != nil {
		return nil, err
	}
	res := conn.ExecParams(ctx, catalogue, nil, nil, nil, nil).Read()
	if res.Err != nil {
		return nil, fmt.Errorf("read the catalogue: %w", classify(conn, res.Err))
	}
	out := database.Objects{}
	for _, row := range res.Rows {
		out.Add(string(row[0]), string(row[1]))
	}
	return out, nil
}

var _ database.Scratcher = (*DB)(nil)
