package mysql

import (
	"context"
	"strings"

	"github.com/schemagate/schemagate/database"
)

// keyKind says how a key's column is written as a literal.
type keyKind int

const (
	keyText keyKind = iota
	keyNumber
	keyBytes
)

// keyKinds checks the key, and learns how its values are written.
func (s *session) keyKinds(ctx context.Context, c *conn, b database.Backfill) ([]keyKind, error) {
	if k, ok := s.kinds[b.Version]; ok {
		return k, nil
	}
	columns, err := c.rows(ctx, "SHOW COLUMNS FROM "+b.Table)
	if err != nil {
		return nil, s.batchError(b, b.Line, err)
	}
	indexes, err := c.rows(ctx, "SHOW INDEX FROM "+b.Table)
	if err != nil {
		return nil, s.batchError(b, b.Line, err)
	}
	bare := func(name string) string { return strings.ToLower(strings.Trim(name, "`")) }
	var kinds []keyKind
	mine := map[string]bool{}
	for _, k := range b.Key {
		found := false
		for _, col := range columns {
			if bare(col[0]) != bare(k) {
				continue
			}
			found = true
			if col[2] != "NO" {
				return nil, b.Fault("key=%s of %s: rows could be passed over: %s may be null", strings.Join(b.Key, ","), b.Table, k)
			}
			kind, ok := kindOf(strings.ToLower(col[1]))
			if !ok {
				return nil, b.Fault("key=%s of %s: %s is of a type whose order is not that of its text", strings.Join(b.Key, ","), b.Table, k)
			}
			kinds = append(kinds, kind)
		}
		if !found {
			return nil, b.Fault("key=%s of %s: there is no column %s", strings.Join(b.Key, ","), b.Table, k)
		}
		mine[bare(k)] = true
	}
	unique := map[string]bool{}
	for _, r := range indexes {
		fits, seen := unique[r[2]]
		unique[r[2]] = (!seen || fits) && r[1] == "0" && mine[bare(r[4])] && r[7] == ""
	}
	for _, fits := range unique {
		if fits {
			if s.kinds == nil {
				s.kinds = map[string][]keyKind{}
			}
			s.kinds[b.Version] = kinds
			return kinds, nil
		}
	}
	return nil, b.Fault("key=%s of %s: rows could be passed over: no index makes its columns unique", strings.Join(b.Key, ","), b.Table)
}

// kindOf reads the type as SHOW COLUMNS tells it.
func kindOf(t string) (keyKind, bool) {
	word := t
	if i := strings.IndexAny(t, "( "); i >= 0 {
		word = t[:i]
	}
	switch word {
	case "tinyint", "smallint", "mediumint", "int", "integer", "bigint", "decimal", "numeric", "year":
		return keyNumber, true
	case "char", "varchar", "tinytext", "text", "mediumtext", "longtext", "date", "datetime", "uuid":
		return keyText, true
	case "binary", "varbinary", "tinyblob", "blob":
		return keyBytes, true
	}
	return 0, false // float: its text is rounded; enum: ordered by number; timestamp: read in the session's time zone
}

// literals are the key's values as the statement takes them. The position keeps bytes in hex.
func literals(kinds []keyKind, values []string) []string {
	out := make([]string, len(values))
	for i, v := range values {
		switch kinds[i] {
		case keyNumber:
			out[i] = v
		case keyBytes:
			out[i] = "x'" + v + "'"
		default:
			out[i] = lit(v)
		}
	}
	return out
}
