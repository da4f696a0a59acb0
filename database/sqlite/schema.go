package sqlite

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"

	"github.com/schemagate/schemagate/database"
)

// The catalogue: what PRAGMAs tell of tables, and the text of everything else. ALTER TABLE rewrites a table's text in its own way, so
// of that only the clauses count which no PRAGMA tells.
const (
	tablesSQL  = `select name, type || case when strict then ' strict' else '' end || case when wr then ' without rowid' else '' end from pragma_table_list where schema = 'main' and type in ('table', 'virtual')`
	columnsSQL = `select t.name || '.' || c.name, c.type || case when c."notnull" then ' not null' else '' end || coalesce(' default ' || c.dflt_value, '') ||
case when c.pk > 0 then ' primary key ' || c.pk else '' end || case c.hidden when 2 then ' generated' when 3 then ' generated stored' when 1 then ' hidden' else '' end
from pragma_table_list t, pragma_table_xinfo(t.name) c where t.schema = 'main' and t.type in ('table', 'virtual')`
	foreignSQL = `select t.name || '(' || group_concat(f."from") || ')', 'references ' || f."table" || '(' || group_concat(coalesce(f."to", '')) || ') on update ' || f.on_update || ' on delete ' || f.on_delete
from pragma_table_list t, pragma_foreign_key_list(t.name) f where t.schema = 'main' and t.type = 'table' group by t.name, f.id`
	uniqueSQL = `select t.name || '(' || (select group_concat(coalesce(name, '')) from pragma_index_info(i.name)) || ')', 'unique'
from pragma_table_list t, pragma_index_list(t.name) i where t.schema = 'main' and t.type = 'table' and i.origin = 'u'`
	textsSQL = `select type || ' ' || name, coalesce(sql, '') from sqlite_schema where type in ('index', 'view', 'trigger') and sql is not null`
	sqlSQL   = `select name, coalesce(sql, '') from sqlite_schema where type = 'table'`
)

// Schema describes tables by their columns, keys and checks, the rest by its text.
func (s *scratch) Schema(ctx context.Context) (database.Objects, error) {
	c, err := s.connect(ctx, false)
	if err != nil {
		return nil, err
	}
	defer c.close()
	out := database.Objects{}
	for _, q := range []struct{ kind, sql string }{
		{"table ", tablesSQL}, {"column ", columnsSQL}, {"foreign key ", foreignSQL}, {"unique ", uniqueSQL}, {"", textsSQL}, {"clauses of ", sqlSQL},
	} {
		err := c.pairs(ctx, q.sql, func(name, text string) {
			bare := strings.TrimPrefix(name, "index ")
			if strings.HasPrefix(bare, "schemagate_") || strings.HasPrefix(name, "sqlite_") {
				return
			}
			switch q.kind {
			case "":
				text = strings.Join(tokens(text), " ")
			case "clauses of ":
				if text = clauses(text); text == "" {
					return
				}
			}
			out.Add(q.kind+name, text)
		})
		if err != nil {
			return nil, fmt.Errorf("read the catalogue: %w", s.classify(err))
		}
	}
	return out, nil
}

func (c *conn) pairs(ctx context.Context, sql string, take func(name, text string)) (err error) {
	rows, err := c.c.QueryContext(ctx, sql)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var name, text string
		if err := rows.Scan(&name, &text); err != nil {
			return err
		}
		take(name, text)
	}
	return rows.Err()
}

// clauses are those of a CREATE TABLE that no PRAGMA tells: checks, expressions, collations, AUTOINCREMENT; and all of a virtual table.
func clauses(sql string) string {
	words := tokens(sql)
	if len(words) > 1 && strings.EqualFold(words[1], "virtual") {
		return strings.Join(words, " ")
	}
	var out []string
	for i, w := range words {
		switch strings.ToLower(w) {
		case "check", "as":
			if i+1 < len(words) && words[i+1] == "(" {
				out = append(out, w+" "+bracketed(words[i+1:]))
			}
		case "collate":
			if i+1 < len(words) {
				out = append(out, w+" "+words[i+1])
			}
		case "autoincrement", "deferred":
			out = append(out, w)
		}
	}
	sort.Strings(out)
	return strings.Join(out, ", ")
}

// bracketed is what stands in the brackets that words begins with.
func bracketed(words []string) string {
	depth := 0
	for i, w := range words {
		switch w {
		case "(":
			depth++
		case ")":
			if depth--; depth == 0 {
				return strings.Join(words[:i+1], " ")
			}
		}
	}
	return strings.Join(words, " ")
}

// tokens takes SQL apart, without blanks and comments, and names without the quotes that ALTER TABLE puts around them.
func tokens(sql string) (out []string) {
	for rest := skip(sql); rest != ""; rest = skip(rest) {
		n := 1
		switch c := rest[0]; {
		case c == '\'' || c == '"' || c == '`' || c == '[':
			end := c
			if c == '[' {
				end = ']'
			}
			for n < len(rest) && (rest[n] != end || n+1 < len(rest) && rest[n+1] == end && c != '[') {
				if rest[n] == end {
					n++
				}
				n++
			}
			n = min(n+1, len(rest))
			if c != '\'' && n > 2 {
				out, rest = append(out, rest[1:n-1]), rest[n:]
				continue
			}
		case wordByte(c):
			for n < len(rest) && wordByte(rest[n]) {
				n++
			}
		}
		out, rest = append(out, rest[:n]), rest[n:]
	}
	return out
}

func wordByte(c byte) bool {
	return c == '_' || c >= 0x80 || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}
