package secret

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
	"text/template"
)

// interpret makes a database URL of a secret's text: it is one, or a JSON object in the shape that RDS writes, or in one that the
// template knows. key picks a field of an object first.
func interpret(text, key, tmpl string) (string, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return "", fmt.Errorf("%w: the secret is empty", ErrShape)
	}
	if key != "" {
		picked, err := pick(text, key)
		if err != nil {
			return "", err
		}
		text = strings.TrimSpace(picked)
	}
	if tmpl != "" {
		return render(text, tmpl)
	}
	if strings.HasPrefix(text, "{") {
		fields, err := object(text)
		if err != nil {
			return "", err
		}
		return rds(fields)
	}
	if scheme, rest, ok := strings.Cut(text, ":"); ok && rest != "" && scheme != "" && !strings.ContainsAny(scheme, "/@ =\"'") && !strings.ContainsAny(text, "\n\r") {
		return text, nil
	}
	return "", fmt.Errorf("%w: the secret is neither a database URL nor a JSON object", ErrShape)
}

// object decodes JSON. The decoder's errors quote what they met, so that they are not handed on.
func object(text string) (map[string]any, error) {
	var fields map[string]any
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&fields); err != nil || fields == nil || d.More() {
		return nil, fmt.Errorf("%w: the secret is no JSON object", ErrShape)
	}
	return fields, nil
}

func pick(text, key string) (string, error) {
	fields, err := object(text)
	if err != nil {
		return "", fmt.Errorf("%w, so that #%s is not in it", err, key)
	}
	switch v := fields[key].(type) {
	case nil:
		return "", fmt.Errorf("%w: the secret has no key %q", ErrNotFound, key)
	case string:
		return v, nil
	case map[string]any:
		b, err := json.Marshal(v)
		return string(b), err
	}
	return "", fmt.Errorf("%w: key %q holds neither a text nor an object", ErrShape, key)
}

// encode percent-encodes all but the unreserved characters: every driver's parser then reads the same.
func encode(v any) string {
	return strings.ReplaceAll(url.QueryEscape(fmt.Sprint(v)), "+", "%20")
}

// missing is how text/template names a field that is not there; compiled only when it is needed.
const missing = `map has no entry for key "[A-Za-z0-9_.-]{1,64}"`

func render(text, tmpl string) (string, error) {
	fields, err := object(text)
	if err != nil {
		return "", fmt.Errorf("%w, which SCHEMAGATE_DATABASE_SECRET_TEMPLATE needs", err)
	}
	t, err := template.New("SCHEMAGATE_DATABASE_SECRET_TEMPLATE").Option("missingkey=error").Funcs(template.FuncMap{"encode": encode}).Parse(tmpl)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrReference, err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, fields); err != nil {
		// Other errors of a template may quote a value.
		if what := regexp.MustCompile(missing).FindString(err.Error()); what != "" {
			return "", fmt.Errorf("%w: SCHEMAGATE_DATABASE_SECRET_TEMPLATE: %s", ErrShape, strings.Replace(what, "map", "the secret", 1))
		}
		return "", fmt.Errorf("%w: SCHEMAGATE_DATABASE_SECRET_TEMPLATE does not fit the secret", ErrShape)
	}
	return strings.TrimSpace(out.String()), nil
}

// engines are the values of RDS's engine, and the scheme of each.
var engines = map[string]string{
	"postgres": "postgres", "postgresql": "postgres", "aurora-postgresql": "postgres",
	"mysql": "mysql", "mariadb": "mysql", "aurora-mysql": "mysql", "aurora": "mysql",
	"mongo": "mongodb", "mongodb": "mongodb", "docdb": "mongodb",
}

const useTemplate = "; say how to make the URL in SCHEMAGATE_DATABASE_SECRET_TEMPLATE, for example " +
	"postgres://{{encode .username}}:{{encode .password}}@db.internal:5432/app"

// rds reads engine, host, port, username, password and dbname.
func rds(fields map[string]any) (string, error) {
	var absent []string
	text := func(name string, needed bool) string {
		switch v := fields[name].(type) {
		case string:
			if v != "" {
				return v
			}
		case json.Number:
			return v.String()
		}
		if needed {
			absent = append(absent, name)
		}
		return ""
	}
	engine, host, port := text("engine", true), text("host", true), text("port", false)
	user, password := text("username", true), text("password", true)
	scheme, known := engines[engine]
	db := text("dbname", false)
	if db == "" {
		db = text("database", scheme != "mongodb")
	}
	if n := len(absent); n > 0 && absent[n-1] == "database" {
		absent[n-1] = "dbname"
	}
	if len(absent) > 0 {
		return "", fmt.Errorf("%w: the secret is JSON without %s%s", ErrShape, strings.Join(absent, ", "), useTemplate)
	}
	if !known {
		return "", fmt.Errorf("%w: the secret's engine is none of postgres, aurora-postgresql, mysql, mariadb, aurora-mysql, mongo, docdb%s", ErrShape, useTemplate)
	}
	if strings.Trim(port, "0123456789") != "" || strings.ContainsAny(host, "/@?# \t\n") {
		return "", fmt.Errorf("%w: the secret's host or port is none", ErrShape)
	}
	if port != "" {
		host = net.JoinHostPort(strings.Trim(host, "[]"), port)
	}
	out := scheme + "://" + encode(user) + ":" + encode(password) + "@" + host + "/" + encode(db)
	if scheme == "mongodb" {
		out += "?retryWrites=false" // DocumentDB has none, and no migration relies on it
		if fmt.Sprint(fields["ssl"]) == "true" {
			out += "&tls=true"
		}
	}
	return out, nil
}

var errNoText = errors.New("it is not text")
