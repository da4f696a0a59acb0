package sqlite

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/schemagate/schemagate/database"
)

// Foreign reads other tools' tables.
func (d *DB) Foreign(ctx context.Context, shapes []database.Shape) (out []database.ForeignTable, err error) {
	if gone, err := d.missing(); gone || err != nil {
		return nil, err
	}
	c, err := d.control(ctx)
	if err != nil {
		return nil, err
	}
	err = c.patiently(ctx, readWait, func() error {
		out, err = c.foreign(ctx, shapes)
		return err
	})
	return out, d.classify(err)
}

func (c *conn) foreign(ctx context.Context, shapes []database.Shape) (out []database.ForeignTable, err error) {
	tables, err := c.rows(ctx, "select t.name as name, lower(group_concat(p.name)) as columns from main.sqlite_master t, pragma_table_info(t.name) p where t.type = 'table' group by t.name")
	if err != nil {
		return nil, err
	}
	for _, row := range tables {
		name := row["name"]
		shape, ok := database.Fitting(shapes, strings.ToLower(name), strings.Split(row["columns"], ","))
		if !ok {
			continue
		}
		t := database.ForeignTable{Shape: shape, Table: name}
		if t.Rows, err = c.rows(ctx, "select * from main."+ident(name)); err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

// rows reads rows as text, by their columns in lower case; NULL is left out.
func (c *conn) rows(ctx context.Context, sql string) (out []map[string]string, err error) {
	rows, err := c.c.QueryContext(ctx, sql)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		values := make([]any, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		r := map[string]string{}
		for i, v := range values {
			name := strings.ToLower(columns[i])
			switch v := v.(type) {
			case nil:
			case []byte:
				r[name] = `\x` + hex.EncodeToString(v)
			case time.Time:
				r[name] = v.UTC().Format("2006-01-02 15:04:05")
			default:
				r[name] = fmt.Sprint(v)
			}
		}
		out = append(out, r)
	}
	return out, rows.Err()
}

func ident(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// HandBack writes another tool's record and the events in one transaction under the fence.
func (s *session) HandBack(ctx context.Context, w database.ForeignWrite, events ...database.Event) error {
	c, err := s.db.connect(ctx, false)
	if err != nil {
		return err
	}
	defer c.close() // rolls back what was not committed
	if err := s.enter(ctx, c, readWait); err != nil {
		return err
	}
	if w.Create != "" {
		if err := c.exec(ctx, w.Create); err != nil {
			return s.db.classify(err)
		}
	}
	for _, row := range w.Delete {
		sql, args := "delete from main."+ident(w.Table)+" where true", []any{}
		for _, k := range slices.Sorted(maps.Keys(row)) {
			sql, args = sql+" and "+ident(k)+" = ?", append(args, row[k])
		}
		if err := c.exec(ctx, sql, args...); err != nil {
			return s.db.classify(err)
		}
	}
	for _, row := range w.Insert {
		var names, marks []string
		var args []any
		for _, k := range slices.Sorted(maps.Keys(row)) {
			v := row[k]
			if t, ok := v.(time.Time); ok {
				v = t.UTC().Format("2006-01-02 15:04:05")
			}
			names, marks, args = append(names, ident(k)), append(marks, "?"), append(args, v)
		}
		if err := c.exec(ctx, "insert into main."+ident(w.Table)+" ("+strings.Join(names, ", ")+") values ("+strings.Join(marks, ", ")+")", args...); err != nil {
			return s.db.classify(err)
		}
	}
	if err := s.insert(ctx, c, events...); err != nil {
		return err
	}
	return c.commit(ctx, readWait)
}
