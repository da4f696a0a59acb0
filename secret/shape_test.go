package secret

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

const nasty = `p @:/?#[]%&+='"\ü$hunter2`

func rdsJSON(t *testing.T, change func(map[string]any)) string {
	t.Helper()
	m := map[string]any{"engine": "postgres", "host": "db.internal", "port": 5432, "username": "us@r", "password": nasty, "dbname": "app", "dbInstanceIdentifier": "db-1"}
	change(m)
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestShapes(t *testing.T) {
	const encoded = "us%40r:p%20%40%3A%2F%3F%23%5B%5D%25%26%2B%3D%27%22%5C%C3%BC%24hunter2@"
	set := func(kv ...any) func(map[string]any) {
		return func(m map[string]any) {
			for i := 0; i < len(kv); i += 2 {
				m[kv[i].(string)] = kv[i+1]
			}
		}
	}
	for name, c := range map[string]struct{ text, key, tmpl, want string }{
		"url":         {" postgres://u:p@h/d\n", "", "", "postgres://u:p@h/d"},
		"sqlite":      {"sqlite:/data/app.db", "", "", "sqlite:/data/app.db"},
		"rds":         {rdsJSON(t, set()), "", "", "postgres://" + encoded + "db.internal:5432/app"},
		"port text":   {rdsJSON(t, set("port", "6432", "engine", "aurora-postgresql")), "", "", "postgres://" + encoded + "db.internal:6432/app"},
		"no port":     {rdsJSON(t, set("port", nil, "engine", "mariadb")), "", "", "mysql://" + encoded + "db.internal/app"},
		"ipv6":        {rdsJSON(t, set("host", "::1", "engine", "aurora-mysql", "port", 3306)), "", "", "mysql://" + encoded + "[::1]:3306/app"},
		"database":    {rdsJSON(t, set("dbname", nil, "database", "other", "engine", "mysql")), "", "", "mysql://" + encoded + "db.internal:5432/other"},
		"docdb":       {rdsJSON(t, set("engine", "mongo", "ssl", true, "dbname", nil)), "", "", "mongodb://" + encoded + "db.internal:5432/?retryWrites=false&tls=true"},
		"key":         {`{"a":{"b":1},"url":"mysql://u@h/d"}`, "url", "", "mysql://u@h/d"},
		"key, object": {`{"db":` + rdsJSON(t, set("engine", "mysql")) + `}`, "db", "", "mysql://" + encoded + "db.internal:5432/app"},
		"template":    {`{"u":"us@r","p":"a b","n":12345678901}`, "", "postgres://{{encode .u}}:{{encode .p}}@h/{{.n}}", "postgres://us%40r:a%20b@h/12345678901"},
	} {
		got, err := interpret(c.text, c.key, c.tmpl)
		if err != nil || got != c.want {
			t.Errorf("%s: %s, %v; want %s", name, got, err, c.want)
		}
	}
}

// The drivers' own parser finds the very characters that went in.
func TestPasswordSurvives(t *testing.T) {
	got, err := interpret(rdsJSON(t, func(map[string]any) {}), "", "")
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(got)
	if err != nil {
		t.Fatal(err)
	}
	if p, _ := u.User.Password(); p != nasty || u.User.Username() != "us@r" {
		t.Errorf("net/url: %q %q", u.User.Username(), p)
	}
	c, err := pgconn.ParseConfig(got)
	if err != nil || c.Password != nasty || c.User != "us@r" || c.Host != "db.internal" || c.Database != "app" {
		t.Errorf("pgx: %+v, %v", c, err)
	}
}

func TestShapesThatAreNone(t *testing.T) {
	const quoted = "hunter2"
	drop := func(names ...string) func(map[string]any) {
		return func(m map[string]any) {
			for _, n := range names {
				delete(m, n)
			}
		}
	}
	for name, c := range map[string]struct {
		text, key, tmpl string
		sentinel        error
		want            string
	}{
		"empty":              {" \n", "", "", ErrShape, "is empty"},
		"a password alone":   {quoted, "", "", ErrShape, "neither a database URL nor a JSON object"},
		"two lines":          {"user:" + quoted + "\nx", "", "", ErrShape, "neither a database URL nor a JSON object"},
		"broken JSON":        {`{"password":"hunter2"`, "", "", ErrShape, "no JSON object"},
		"array":              {`["hunter2"]`, "", "", ErrShape, "neither a database URL nor a JSON object"},
		"two objects":        {`{"a":"hunter2"}{}`, "", "", ErrShape, "no JSON object"},
		"managed by RDS":     {`{"username":"u","password":"hunter2"}`, "", "", ErrShape, "without engine, host, dbname; say how to make the URL in SCHEMAGATE_DATABASE_SECRET_TEMPLATE"},
		"no database":        {rdsJSON(t, drop("dbname")), "", "", ErrShape, "without dbname;"},
		"no password":        {rdsJSON(t, drop("password")), "", "", ErrShape, "without password;"},
		"unknown engine":     {rdsJSON(t, func(m map[string]any) { m["engine"] = quoted }), "", "", ErrShape, "engine is none of postgres"},
		"strange host":       {rdsJSON(t, func(m map[string]any) { m["host"] = "hunter2/x@y" }), "", "", ErrShape, "host or port is none"},
		"no such key":        {`{"password":"hunter2"}`, "url", "", ErrNotFound, `no key "url"`},
		"key without JSON":   {"postgres://u:hunter2@h/d", "url", "", ErrShape, "so that #url is not in it"},
		"key of a number":    {`{"url":7}`, "url", "", ErrShape, "neither a text nor an object"},
		"template, no JSON":  {"hunter2", "", "{{.a}}", ErrShape, "SCHEMAGATE_DATABASE_SECRET_TEMPLATE needs"},
		"template, no field": {`{"password":"hunter2"}`, "", "{{.pass}}", ErrShape, `no entry for key "pass"`},
		"template, misfit":   {`{"password":"hunter2"}`, "", `{{index .password "x"}}`, ErrShape, "does not fit the secret"},
		"template, broken":   {`{"password":"hunter2"}`, "", "{{.pass", ErrReference, "unclosed action"},
	} {
		out, err := interpret(c.text, c.key, c.tmpl)
		if !errors.Is(err, c.sentinel) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), quoted) {
			t.Errorf("%s: %q, %v; want %q", name, out, err, c.want)
		}
	}
}
