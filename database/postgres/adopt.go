package postgres

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/schemagate/schemagate/database"
)

const foreignSQL = `select json_build_object('schema', n.nspname, 'table', c.relname, 'columns',
  (select json_agg(lower(a.attname)) from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped))::text
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and n.nspname = any (pg_catalog.current_schemas(false)) and lower(c.relname) = any ($1::text[]) order by n.nspname, c.relname`

// Foreign reads other tools' tables in the schemas that the connection sees.
func (d *DB) Foreign(ctx context.Context, shapes []database.Shape) ([]database.ForeignTable, error) {
	names := make([]string, len(shapes))
	for i, s := range shapes {
		names[i] = s.Name
	}
	rows, err := d.query(ctx, foreignSQL, "{"+strings.Join(names, ",")+"}")
	if err != nil {
		return nil, err
	}
	var out []database.ForeignTable
	for _, row := range rows {
		var t struct {
			Schema, Table string
			Columns       []string
		}
		if err := json.Unmarshal(row, &t); err != nil {
			return nil, fmt.Errorf("read the catalogue: %w", err)
		}
		shape, ok := database.Fitting(shapes, strings.ToLower(t.Table), t.Columns)
		if !ok {
			continue
		}
		found := database.ForeignTable{Shape: shape, Schema: t.Schema, Table: t.Table}
		lines, err := d.query(ctx, "select (select json_object_agg(lower(key), value) from json_each_text(to_json(t)) where value is not null)::text from "+
			ident(t.Schema)+"."+ident(t.Table)+" t")
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", found, err)
		}
		for _, line := range lines {
			r := map[string]string{}
			if err := json.Unmarshal(line, &r); err != nil {
				return nil, fmt.Errorf("read %s: %w", found, err)
			}
			found.Rows = append(found.Rows, r)
		}
		out = append(out, found)
	}
	return out, nil
}

// HandBack writes another tool's record and the events in one transaction under the fence.
func (s *session) HandBack(ctx context.Context, w database.ForeignWrite, events ...database.Event) error {
	var b strings.Builder
	if w.Create != "" {
		b.WriteString(w.Create + "; ")
	}
	table := ident(w.Table)
	if w.Schema != "" {
		table = ident(w.Schema) + "." + table
	}
	for _, row := range w.Delete {
		b.WriteString("delete from " + table + " where true")
		for _, k := range slices.Sorted(maps.Keys(row)) {
			b.WriteString(" and " + ident(k) + " =" + value(row[k]))
		}
		b.WriteString("; ")
	}
	for _, row := range w.Insert {
		var names, values []string
		for _, k := range slices.Sorted(maps.Keys(row)) {
			names, values = append(names, ident(k)), append(values, value(row[k]))
		}
		b.WriteString("insert into " + table + " (" + strings.Join(names, ", ") + ") values (" + strings.Join(values, ", ") + "); ")
	}
	if _, err := s.enter(ctx, s.conn, b.String()); err != nil {
		return err
	}
	return s.commit(ctx, s.conn, events...)
}

func value(v any) string {
	switch v := v.(type) {
	case nil:
		return " null"
	case int64:
		return " " + num(v)
	case bool:
		return " " + boolean(v)
	case []byte:
		return lit(`\x` + hex.EncodeToString(v))
	case time.Time:
		return lit(v.UTC().Format("2006-01-02 15:04:05.999999"))
	}
	return lit(fmt.Sprint(v))
}
