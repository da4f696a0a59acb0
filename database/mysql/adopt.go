package mysql

import (
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/schemagate/schemagate/database"
)

// Foreign reads other tools' tables in the connection's own database.
func (d *DB) Foreign(ctx context.Context, shapes []database.Shape) ([]database.ForeignTable, error) {
	c, err := d.control(ctx, true)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(shapes))
	for i, s := range shapes {
		names[i] = lit(s.Name)
	}
	cells, err := c.rows(ctx, "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = "+lit(d.name)+
		" AND LOWER(table_name) IN ("+strings.Join(names, ", ")+") ORDER BY table_name, ordinal_position")
	if err != nil {
		return nil, classify(err)
	}
	var out []database.ForeignTable
	for len(cells) > 0 {
		n := slices.IndexFunc(cells, func(r []string) bool { return r[0] != cells[0][0] })
		if n < 0 {
			n = len(cells)
		}
		t, err := c.foreign(ctx, shapes, d.name, cells[:n])
		if err != nil {
			return nil, err
		}
		if t != nil {
			out = append(out, *t)
		}
		cells = cells[n:]
	}
	return out, nil
}

// foreign reads a table, given its columns: nil where it has none of the shapes.
func (c *conn) foreign(ctx context.Context, shapes []database.Shape, schema string, cells [][]string) (*database.ForeignTable, error) {
	var columns, values []string
	for _, cell := range cells {
		value := "CAST(" + ident(cell[1]) + " AS CHAR)"
		if strings.Contains(cell[2], "blob") || strings.Contains(cell[2], "binary") {
			value = `CONCAT('\\x', LOWER(HEX(` + ident(cell[1]) + ")))"
		}
		// Whether it is NULL is asked besides, since it reads as an empty text.
		columns, values = append(columns, strings.ToLower(cell[1])), append(values, ident(cell[1])+" IS NULL", value)
	}
	shape, ok := database.Fitting(shapes, strings.ToLower(cells[0][0]), columns)
	if !ok {
		return nil, nil
	}
	t := &database.ForeignTable{Shape: shape, Table: cells[0][0]}
	rows, err := c.rows(ctx, "SELECT "+strings.Join(values, ", ")+" FROM "+ident(schema)+"."+ident(t.Table))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", t, classify(err))
	}
	for _, row := range rows {
		r := map[string]string{}
		for i, name := range columns {
			if row[2*i] == "0" {
				r[name] = row[2*i+1]
			}
		}
		t.Rows = append(t.Rows, r)
	}
	return t, nil
}

// HandBack writes another tool's record and the events in one transaction under the fence. Making the table commits by itself, and
// comes first.
func (s *session) HandBack(ctx context.Context, w database.ForeignWrite, events ...database.Event) error {
	if err := s.reopen(ctx); err != nil {
		return err
	}
	if w.Create != "" {
		if err := s.own.run(ctx, strings.Replace(w.Create, "CREATE TABLE ", "CREATE TABLE IF NOT EXISTS "+ident(s.db.name)+".", 1)); err != nil {
			return err
		}
	}
	if err := s.enter(ctx, s.own); err != nil {
		return err
	}
	table := ident(s.db.name) + "." + ident(w.Table)
	var statements []string
	for _, row := range w.Delete {
		sql := "DELETE FROM " + table + " WHERE TRUE"
		for _, k := range slices.Sorted(maps.Keys(row)) {
			sql += " AND " + ident(k) + " = " + value(row[k])
		}
		statements = append(statements, sql)
	}
	for _, row := range w.Insert {
		var names, values []string
		for _, k := range slices.Sorted(maps.Keys(row)) {
			names, values = append(names, ident(k)), append(values, value(row[k]))
		}
		statements = append(statements, "INSERT INTO "+table+" ("+strings.Join(names, ", ")+") VALUES ("+strings.Join(values, ", ")+")")
	}
	if err := s.own.run(ctx, statements...); err != nil {
		rollback(ctx, s.own)
		return err
	}
	return s.commit(ctx, s.own, events...)
}

func value(v any) string {
	switch v := v.(type) {
	case nil:
		return "NULL"
	case int64:
		return num(v)
	case bool:
		if v {
			return "TRUE"
		}
		return "FALSE"
	case []byte:
		return "x'" + hex.EncodeToString(v) + "'"
	case time.Time:
		return lit(v.UTC().Format("2006-01-02 15:04:05"))
	}
	return lit(fmt.Sprint(v))
}
