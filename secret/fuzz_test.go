package secret

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"
)

// canary stands where a password may; no error repeats it.
const canary = "hunter2canary"

// FuzzReference: a reference is read or refused, and a database URL that was taken for one is not repeated.
func FuzzReference(f *testing.F) {
	for _, s := range []string{"aws-secretsmanager://prod/db?region=eu-west-1#url", "aws-secretsmanager://arn:aws:secretsmanager:eu-west-1:1:secret:a-b", "vault://secret/data/app#url",
		"file:///run/secrets/db", "env://DB", "vault:///#", "file://?a#b", "AWS-SECRETSMANAGER://a?region=%zz"} {
		f.Add(s, "")
	}
	f.Add("postgres://u:", "@h/d")
	f.Fuzz(func(t *testing.T, before, after string) {
		raw := before
		if after != "" {
			raw += canary + after
		}
		r, err := parse(raw)
		switch {
		case err == nil && (r.name == "" || strings.Contains(r.scheme, "/")):
			t.Fatalf("%q is %+v", raw, r)
		case err != nil && !errors.Is(err, ErrReference):
			t.Fatalf("%q: an error of another kind: %v", raw, err)
		case err != nil && !strings.Contains(strings.ToLower(raw), "aws-secretsmanager") && strings.Contains(strings.TrimSuffix(err.Error(), shapes), canary):
			t.Fatalf("%q: the error repeats it: %v", raw, err)
		}
	})
}

// FuzzShape: any text is a secret that gives a URL, or an error of a kind that does not repeat it.
func FuzzShape(f *testing.F) {
	templates := []string{"", "", "postgres://{{encode .username}}:{{encode .password}}@{{.host}}/app", "{{range $k, $v := .}}{{$k}}={{encode $v}};{{end}}"}
	for i := range templates {
		for _, s := range []string{`{"engine":"mysql","host":"h","port":3306,"username":"u","password":"` + canary + `","dbname":"d"}`, `{"url":"postgres://u:p@h/d","a":{"b":[1,null]}}`,
			"postgres://u:p@h/d\n", `["` + canary + `"]`, canary, "{", `{"engine":"mongo","ssl":true}`, `{"a":1}{}`} {
			f.Add(byte(i), "", s)
			f.Add(byte(i), "url", s)
		}
	}
	f.Fuzz(func(t *testing.T, tmpl byte, key, text string) {
		out, err := interpret(text, key, templates[int(tmpl)%len(templates)])
		switch {
		case err == nil && out != strings.TrimSpace(out):
			t.Fatalf("with white space around it: %q", out)
		case err != nil && !errors.Is(err, ErrShape) && !errors.Is(err, ErrNotFound):
			t.Fatalf("an error of another kind: %v", err)
		case err != nil && !strings.Contains(key, canary) && strings.Contains(err.Error(), canary):
			t.Fatalf("the error repeats the secret: %v", err)
		}
	})
}

// FuzzRDS: whatever the user, the password and the database's name hold, it is what the driver finds in the URL.
func FuzzRDS(f *testing.F) {
	f.Add("us@r", nasty, "app", "db.internal", 5432)
	f.Add("u", "p", "d", "::1", 1)
	f.Fuzz(func(t *testing.T, user, password, db, host string, port int) {
		for _, s := range []string{user, password, db, host} {
			if s == "" || !utf8.ValidString(s) || strings.Contains(s, "\x00") {
				return // JSON holds no such text, or the secret is one without the field
			}
		}
		text, err := json.Marshal(map[string]any{"engine": "postgres", "host": host, "port": port, "username": user, "password": password, "dbname": db})
		if err != nil {
			t.Fatal(err)
		}
		out, err := interpret(string(text), "", "")
		if err != nil {
			if !errors.Is(err, ErrShape) || !strings.Contains(err.Error(), "host or port") {
				t.Fatal(err)
			}
			return
		}
		u, err := url.Parse(out)
		if err != nil {
			return // a host that is none, which the adapter says
		}
		if p, _ := u.User.Password(); p != password || u.User.Username() != user || u.Path != "/"+db {
			t.Fatalf("%q: %q, %q, %q", out, u.User.Username(), p, u.Path)
		}
		if c, err := pgconn.ParseConfig(out); err == nil && (c.Password != password || c.User != user || c.Database != db) {
			t.Fatalf("%q: %q, %q, %q", out, c.User, c.Password, c.Database)
		}
	})
}
