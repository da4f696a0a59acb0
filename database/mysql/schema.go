package mysql

import (
	"context"
	"regexp"
	"strings"

	"github.com/schemagate/schemagate/database"
)

// shows are the kinds of object whose definition the server itself writes, with the column that it stands in.
var shows = []struct {
	kind, list, show string
	column           int
}{
	{"view", "SELECT TABLE_NAME FROM information_schema.VIEWS WHERE TABLE_SCHEMA = ", "VIEW", 1},
	{"trigger", "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = ", "TRIGGER", 2},
	{"procedure", "SELECT ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_TYPE = 'PROCEDURE' AND ROUTINE_SCHEMA = ", "PROCEDURE", 2},
	{"function", "SELECT ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_TYPE = 'FUNCTION' AND ROUTINE_SCHEMA = ", "FUNCTION", 2},
	{"event", "SELECT EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = ", "EVENT", 3},
	{"table", "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED', 'SEQUENCE') AND TABLE_SCHEMA = ", "TABLE", 1},
}

// Schema goes by what SHOW CREATE says, a table's line by line, so that the order of columns does not count.
func (s *scratch) Schema(ctx context.Context) (database.Objects, error) {
	c, err := s.control(ctx, true)
	if err != nil {
		return nil, err
	}
	out := database.Objects{}
	rows, err := c.rows(ctx, "SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = "+lit(s.name))
	if err != nil {
		return nil, classify(err)
	}
	out.Add("database", strings.Join(rows[0], " "))
	number := regexp.MustCompile(` AUTO_INCREMENT=\d+`)
	for _, x := range shows {
		names, err := c.rows(ctx, x.list+lit(s.name))
		if err != nil {
			return nil, classify(err)
		}
		for _, n := range names {
			if strings.HasPrefix(n[0], "schemagate_") {
				continue
			}
			rows, err := c.rows(ctx, "SHOW CREATE "+x.show+" "+ident(n[0]))
			if err != nil {
				return nil, classify(err)
			}
			text := strings.ReplaceAll(rows[0][x.column], ident(s.name)+".", "")
			if x.kind == "table" {
				takeApart(out, n[0], number.ReplaceAllString(text, ""))
			} else {
				out.Add(x.kind+" "+n[0], text)
			}
		}
	}
	return out, nil
}

// takeApart makes of a CREATE TABLE its columns, keys and the rest.
func takeApart(out database.Objects, name, text string) {
	lines := strings.Split(text, "\n")
	var rest []string
	for _, line := range lines {
		line = strings.TrimSuffix(strings.TrimSpace(line), ",")
		quoted := strings.Split(line, "`")
		switch {
		case strings.HasPrefix(line, "`"):
			out.Add("column "+name+"."+quoted[1], strings.TrimSpace(strings.Join(quoted[2:], "`")))
		case strings.HasPrefix(line, "CONSTRAINT `"):
			out.Add("constraint "+name+"."+quoted[1], line)
		case strings.HasPrefix(line, "PRIMARY KEY"):
			out.Add("index "+name+".PRIMARY", line)
		case len(quoted) > 2 && strings.HasSuffix(quoted[0], "KEY "):
			out.Add("index "+name+"."+quoted[1], line)
		case !strings.HasPrefix(line, "CREATE TABLE"):
			rest = append(rest, line)
		}
	}
	out.Add("table "+name, strings.Join(rest, " "))
}
