package mysql

import (
	"context"
	"database/sql/driver"
	"fmt"
	"time"

	mysql "github.com/go-sql-driver/mysql"

	"github.com/schemagate/schemagate/database"
)

// scratch is a database of its own on the same server.
type scratch struct {
	*DB
	parent *DB
}

// NewScratch makes a database with the character set of the URL's, but empty.
func (d *DB) NewScratch(ctx context.Context) (database.Scratch, error) {
	c, err := d.control(ctx, true)
	if err != nil {
		return nil, err
	}
	rows, err := c.rows(ctx, "SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = "+lit(d.name))
	if err != nil {
		return nil, classify(err)
	}
	name, like := database.NewScratchName(), ""
	if len(rows) == 1 {
		like = " CHARACTER SET " + rows[0][0] + " COLLATE " + rows[0][1]
	}
	if _, err := c.exec(ctx, "CREATE DATABASE "+ident(name)+like); err != nil {
		if n := code(err); n == 1044 || n == 1227 {
			return nil, fmt.Errorf("create the scratch database: %w; the user needs: GRANT ALL PRIVILEGES ON `schemagate\\_scratch\\_%%`.* TO '%s'",
				classify(err), d.user)
		}
		return nil, fmt.Errorf("create the scratch database: %w", classify(err))
	}
	s := &scratch{&DB{opt: d.opt, user: d.user, name: name, schema: name}, d}
	s.opt.Schema = "" // our tables go there, too, wherever they are beside the URL's database
	s.connector, err = d.elsewhere(name)
	return s, err
}

// elsewhere is the connector to another database of the server.
func (d *DB) elsewhere(name string) (driver.Connector, error) {
	c := d.config.Clone()
	c.DBName = name
	return mysql.NewConnector(c)
}

func (s *scratch) Name() string { return s.name }

func (s *scratch) Drop(ctx context.Context) error {
	s.Disconnect()
	return s.parent.dropScratch(ctx, s.name)
}

func (d *DB) dropScratch(ctx context.Context, name string) error {
	c, err := d.control(ctx, true)
	if err == nil {
		err = c.run(ctx, "DROP DATABASE IF EXISTS "+ident(name))
	}
	if err != nil {
		return fmt.Errorf("drop the scratch database %s: %w", name, err)
	}
	return nil
}

// Sweep sees the databases that the user has a right on.
func (d *DB) Sweep(ctx context.Context, age time.Duration) (dropped []string, err error) {
	c, err := d.control(ctx, true)
	if err != nil {
		return nil, err
	}
	rows, err := c.rows(ctx, "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE LEFT(SCHEMA_NAME, "+num(len(database.ScratchPrefix))+") = "+lit(database.ScratchPrefix))
	if err != nil {
		return nil, classify(err)
	}
	for _, r := range rows {
		if database.ScratchOlder(r[0], age) {
			if err := d.dropScratch(ctx, r[0]); err != nil {
				return dropped, err
			}
			dropped = append(dropped, r[0])
		}
	}
	return dropped, nil
}

// Try runs on a fresh connection, in a transaction as far as the statements leave it one.
func (s *scratch) Try(ctx context.Context, ch database.Change, _ string, keep bool) error {
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer c.close() // the server rolls back what its client left
	run := &session{db: s.DB}
	if run.maria, err = c.isMaria(ctx); err != nil {
		return err
	}
	if err := c.run(ctx, run.limits(ch), "START TRANSACTION"); err != nil {
		return err
	}
	for _, st := range ch.Statements {
		if err := run.one(ctx, c, ch, st); err != nil {
			return err
		}
	}
	if err := run.verify(ctx, c, ch); err != nil || !keep {
		return err
	}
	return c.run(ctx, "COMMIT")
}

func (c *conn) isMaria(ctx context.Context) (bool, error) {
	rows, err := c.rows(ctx, "SELECT version() LIKE '%MariaDB%'")
	if err != nil {
		return false, classify(err)
	}
	return rows[0][0] == "1", nil
}

var _ database.Scratcher = (*DB)(nil)
