package sqlite

import (
	"context"
	"errors"
	"strings"

	"github.com/schemagate/schemagate/database"
)

// checkKey refuses a key by which rows could be passed over.
func (s *session) checkKey(ctx context.Context, c *conn, b database.Backfill) error {
	bare := func(name string) string { return strings.ToLower(strings.Trim(name, "\"`[]'")) }
	table := b.Table
	if i := strings.LastIndexByte(table, '.'); i >= 0 && !strings.ContainsAny(table, "\"`[") {
		table = table[i+1:]
	}
	table = strings.Trim(table, "\"`[]'")
	mine := map[string]bool{}
	for _, k := range b.Key {
		mine[bare(k)] = true
	}
	filled, unique, err := s.columns(ctx, c, table)
	if err != nil {
		return s.db.classify(err)
	}
	if len(filled) == 0 {
		return b.Fault("there is no table %s", b.Table)
	}
	for _, k := range b.Key {
		if null, ok := filled[bare(k)]; !ok || !null {
			return b.Fault("key=%s of %s: rows could be passed over: there is no column %s, or it may be null", strings.Join(b.Key, ","), b.Table, k)
		}
	}
	for _, columns := range unique {
		fits := true
		for _, col := range columns {
			fits = fits && mine[col]
		}
		if fits {
			return nil
		}
	}
	return b.Fault("key=%s of %s: rows could be passed over: no index makes its columns unique", strings.Join(b.Key, ","), b.Table)
}

// columns tells which columns are never null, and which sets of them are unique.
func (s *session) columns(ctx context.Context, c *conn, table string) (filled map[string]bool, unique map[string][]string, err error) {
	filled, unique = map[string]bool{}, map[string][]string{}
	each := func(query string, into func(scan func(...any) error) error) (err error) {
		rows, err := c.c.QueryContext(ctx, query, table)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, rows.Close()) }()
		for rows.Next() {
			if err := into(rows.Scan); err != nil {
				return err
			}
		}
		return rows.Err()
	}
	var keys []string
	rowid := ""
	err = each(`select lower(name), lower(type), "notnull", pk from pragma_table_info(?)`, func(scan func(...any) error) error {
		var name, kind string
		var notNull, pk int
		err := scan(&name, &kind, &notNull, &pk)
		filled[name] = notNull == 1
		if pk > 0 {
			keys = append(keys, name)
			if kind == "integer" {
				rowid = name
			}
		}
		return err
	})
	if err != nil || len(filled) == 0 {
		return filled, unique, err
	}
	if len(keys) == 1 && rowid != "" { // an alias of the row's own number
		filled[rowid] = true
	}
	if len(keys) > 0 {
		unique[""] = keys
	}
	if _, ok := filled["rowid"]; !ok {
		filled["rowid"], unique["rowid"] = true, []string{"rowid"}
	}
	err = each(`select lower(l.name), coalesce(lower(i.name), '') from pragma_index_list(?) l, pragma_index_info(l.name) i where l."unique" = 1 and l.partial = 0`,
		func(scan func(...any) error) error {
			var index, column string
			err := scan(&index, &column)
			unique["i "+index] = append(unique["i "+index], column) // an expression's name is empty, and no part of a key
			return err
		})
	return filled, unique, err
}
