package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"reflect"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/caarlos0/env/v10"

	"github.com/schemagate/schemagate/internal/spell"
)

// ErrConfig matches every problem of the settings (exit 78); ErrUsage those of the command line (exit 64).
var (
	ErrConfig = errors.New("wrong configuration")
	ErrUsage  = errors.New("wrong usage")
)

// Options say what the command at hand needs.
type Options struct {
	// Environ is os.Environ().
	Environ []string
	// Flags holds what was given on the command line, by variable.
	Flags map[string]string
	// NoDatabase: the command connects to none.
	NoDatabase bool
}

type problem struct{ setting, what string }

func (p problem) Error() string        { return p.setting + ": " + p.what }
func (p problem) Is(target error) bool { return target == ErrConfig }

// Load reads the settings. The error joins every problem; the warnings are for the log.
func Load(o Options) (c *Config, warnings []string, err error) {
	vars := make(map[string]string, len(o.Environ))
	for _, kv := range o.Environ {
		k, v, _ := strings.Cut(kv, "=")
		vars[k] = v
	}
	warnings = unknown(vars)
	for k, v := range o.Flags {
		if f := fieldOf(k); f.Secret == "url" && hasPassword(v) {
			return nil, nil, fmt.Errorf("%w: --%s holds a password, which every process list would show: use %s or %s_FILE", ErrUsage, f.Flag, k, k)
		}
		vars[k] = v
	}
	c = &Config{}
	var problems []error
	err = env.ParseWithOptions(c, env.Options{Environment: vars, Prefix: prefix})
	var all env.AggregateError
	if errors.As(err, &all) {
		for _, e := range all.Errors {
			problems = append(problems, parseProblem(c, e, vars))
		}
	} else if err != nil {
		problems = append(problems, problem{"settings", err.Error()})
	}
	problems = append(problems, c.files()...)
	c.resolveDatabase(vars)
	problems = append(problems, c.check(o)...)
	if len(problems) > 0 {
		return nil, warnings, errors.Join(problems...)
	}
	if c.Replica == "" {
		c.Replica = replicaName()
	}
	return c, warnings, nil
}

func fieldOf(variable string) Field {
	for _, f := range Fields() {
		if f.Variable == variable {
			return f
		}
	}
	return Field{}
}

// parseProblem words the library's error in terms of the variable.
func parseProblem(_ *Config, err error, vars map[string]string) error {
	var pe env.ParseError
	if !errors.As(err, &pe) {
		return problem{"settings", err.Error()}
	}
	for _, f := range Fields() {
		if strings.EqualFold(strings.ReplaceAll(f.Flag, "-", ""), pe.Name) {
			kind := "a duration such as 30s, 15m or 0"
			switch pe.Type.Kind() {
			case reflect.Bool:
				kind = "true or false"
			case reflect.Int:
				kind = "a whole number"
			}
			return problem{f.Variable, fmt.Sprintf("%q is not %s", withoutUser(vars[f.Variable]), kind)}
		}
	}
	return problem{pe.Name, pe.Err.Error()}
}

// files reads the _FILE twins.
func (c *Config) files() (problems []error) {
	for _, f := range []struct {
		variable, path string
		into           *string
	}{
		{prefix + "DATABASE_URL", c.DatabaseURLFile, &c.DatabaseURL},
		{prefix + "GIT_KEY", c.GitKeyFile, &c.GitKey},
		{prefix + "GIT_TOKEN", c.GitTokenFile, &c.GitToken},
		{prefix + "HTTP_TOKEN", c.HTTPTokenFile, &c.HTTPToken},
	} {
		if f.path == "" {
			continue
		}
		if *f.into != "" {
			problems = append(problems, problem{f.variable + "_FILE", "is set beside " + f.variable + ": keep one of them"})
			continue
		}
		b, err := os.ReadFile(f.path)
		text := string(b)
		if f.into != &c.GitKey { // a key needs its last newline
			text = strings.TrimSpace(text)
		}
		switch {
		case err != nil:
			problems = append(problems, problem{f.variable + "_FILE", unreadable(f.path, err)})
		case text == "":
			problems = append(problems, problem{f.variable + "_FILE", withoutUser(f.path) + " is empty"})
		}
		*f.into = text
	}
	return problems
}

// unreadable tells why a secret's file can't be read. Who mixes a variable up with its twin puts the secret itself there: only what
// looks like a path is shown.
func unreadable(path string, err error) string {
	var pe *os.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	if !strings.Contains(path, "/") || strings.ContainsAny(path, "\r\n") {
		return "does not hold a file's path (not shown, as it may be the secret): " + err.Error()
	}
	return "can't be read: " + withoutUser(path) + ": " + err.Error()
}

func (c *Config) resolveDatabase(vars map[string]string) {
	c.source = prefix + "DATABASE_URL"
	switch {
	case c.DatabaseURL != "":
		if c.DatabaseURLFile != "" {
			c.source += "_FILE"
		}
	case c.DatabaseSecret != "":
		c.source = prefix + "DATABASE_SECRET"
	case c.DatabaseURLFile == "":
		c.DatabaseURL, c.source = vars["DATABASE_URL"], "DATABASE_URL"
	}
}

var schemes = []string{"postgres", "postgresql", "mysql", "mongodb", "mongodb+srv", "sqlite"}

// Scheme is the database URL's, without ://.
func Scheme(raw string) string {
	s, _, ok := strings.Cut(raw, ":")
	if !ok {
		return ""
	}
	return strings.ToLower(s)
}

// CheckDatabaseURL tells what is wrong with a URL without quoting any of it but its scheme.
func CheckDatabaseURL(source, raw string) error {
	if s := Scheme(raw); !slices.Contains(schemes, s) {
		hint := ""
		if n := spell.Nearest(s, schemes); n != "" && s != "" {
			hint = "; did you mean " + n + "?"
		} else { // what stands before the first colon may be anything, a password too
			s = "no scheme of a database"
		}
		return problem{source, fmt.Sprintf("%s: use one of postgres:// mysql:// mongodb:// mongodb+srv:// sqlite:PATH%s", s, hint)}
	}
	if Scheme(raw) != "sqlite" {
		if _, err := url.Parse(raw); err != nil && !strings.HasPrefix(raw, "mongodb") {
			return problem{source, "is not a URL: a special character in its password must be percent-encoded (@ is %40, / is %2F)"}
		}
	}
	return nil
}

func (c *Config) check(o Options) (problems []error) {
	bad := func(name, format string, args ...any) {
		problems = append(problems, problem{prefix + name, fmt.Sprintf(format, args...)})
	}
	oneOf := func(name, value string, allowed ...string) {
		if !slices.Contains(allowed, value) {
			bad(name, "%q is none of %s", withoutUser(value), strings.Join(allowed, ", "))
		}
	}
	if !o.NoDatabase {
		switch {
		case c.DatabaseURL != "" && c.DatabaseSecret != "":
			bad("DATABASE_SECRET", "is set beside %s: keep one of them", c.source)
		case c.DatabaseURL != "":
			if err := CheckDatabaseURL(c.source, c.DatabaseURL); err != nil {
				problems = append(problems, err)
			}
		case c.DatabaseSecret == "" && c.DatabaseURLFile == "":
			bad("DATABASE_URL", "is not set: say which database to migrate, for example postgres://user@host:5432/db (or set DATABASE_URL)")
		}
	}
	if c.Election != "database" {
		u, err := url.Parse(c.Election)
		switch {
		case err != nil || u.Scheme != "consul" && u.Scheme != "consuls":
			bad("ELECTION", "%q is neither database nor consul://HOST:PORT/PREFIX", withoutUser(c.Election))
		case u.Host == "":
			bad("ELECTION", "names no host: consul://HOST:PORT/PREFIX")
		case u.User != nil:
			bad("ELECTION", "holds credentials: use CONSUL_HTTP_TOKEN or CONSUL_HTTP_TOKEN_FILE")
		}
	}
	oneOf("PHASE", c.Phase, "expand", "cutover")
	oneOf("INIT_REPLICAS", c.InitReplicas, "unknown", "stopped")
	if strings.HasPrefix(c.Before, "backup:") && c.DatabaseURL != "" && Scheme(c.DatabaseURL) != "sqlite" {
		bad("BEFORE", "%s is built in for SQLite only: write a command, such as pg_dump", c.Before)
	}
	oneOf("TRANSACTION", c.Transaction, "migration", "release")
	oneOf("LOG_LEVEL", c.LogLevel, "debug", "info", "warn", "error")
	if c.LogFormat != "" {
		oneOf("LOG_FORMAT", c.LogFormat, "json", "console")
	}
	if c.Pooled != "" {
		oneOf("POOLED", c.Pooled, "true", "false")
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"TIMEOUT", c.Timeout}, {"LOCK_TIMEOUT", c.LockTimeout}, {"STATEMENT_TIMEOUT", c.StatementTimeout}, {"DRAIN", c.Drain}} {
		if d.value < 0 {
			bad(d.name, "%v is negative; 0 turns it off", d.value)
		} else if d.value > 0 && d.value < time.Millisecond {
			bad(d.name, "%v is less than a millisecond", d.value)
		}
	}
	if c.ScriptMemory < 1 {
		bad("SCRIPT_MEMORY", "%d is not a number of MiB from 1", c.ScriptMemory)
	}
	if c.LeaseTTL < time.Second || c.LeaseTTL > time.Hour {
		bad("LEASE_TTL", "%v is not between 1s and 1h", c.LeaseTTL)
	}
	if c.HTTPAddr != "off" {
		if _, _, err := net.SplitHostPort(c.HTTPAddr); err != nil {
			bad("HTTP_ADDR", "%q is neither HOST:PORT nor off", withoutUser(c.HTTPAddr))
		}
	}
	if c.AppHealthURL != "" {
		if u, err := url.Parse(c.AppHealthURL); err != nil || u.Host == "" || !slices.Contains([]string{"http", "https", "tcp"}, u.Scheme) {
			bad("APP_HEALTH_URL", "%q is neither http://HOST:PORT/PATH nor tcp://HOST:PORT", withoutUser(c.AppHealthURL))
		}
	}
	if strings.TrimSpace(c.Service) == "" || strings.ContainsAny(c.Service, "/\x00\n") || len(c.Service) > 200 {
		bad("SERVICE", "%q: give a name of at most 200 characters without / and line breaks", withoutUser(c.Service))
	}
	if _, err := c.PlaceholderMap(); err != nil {
		bad("PLACEHOLDERS", "%v", err)
	}
	return problems
}

// PlaceholderMap is SCHEMAGATE_PLACEHOLDERS, taken apart.
func (c *Config) PlaceholderMap() (map[string]string, error) {
	out := map[string]string{}
	for part := range strings.SplitSeq(c.Placeholders, ",") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		k, v, ok := strings.Cut(part, "=")
		if !ok {
			return nil, fmt.Errorf("%q has no value: write name=value,name=value", withoutUser(part))
		}
		out[strings.TrimSpace(k)] = v
	}
	return out, nil
}

// Source is the variable that the database URL came from.
func (c *Config) Source() string { return c.source }

// PoolerKnown is SCHEMAGATE_POOLED: nil where it is to be detected.
func (c *Config) PoolerKnown() *bool {
	if c.Pooled == "" {
		return nil
	}
	b := c.Pooled == "true"
	return &b
}

func replicaName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "replica"
	}
	return host + "-" + suffix()
}

// unknown names the SCHEMAGATE_ variables that are no settings, except those that Kubernetes injects for a Service of this
// name.
func unknown(vars map[string]string) (warnings []string) {
	fields := Fields()
	known := make([]string, len(fields))
	for i, f := range fields {
		known[i] = f.Variable
	}
	for k := range vars {
		rest, ok := strings.CutPrefix(k, prefix)
		if !ok || slices.Contains(known, k) || strings.HasPrefix(rest, "TEST_") || rest == "PORT" || strings.HasPrefix(rest, "PORT_") ||
			rest == "SERVICE_HOST" || rest == "SERVICE_PORT" || strings.HasPrefix(rest, "SERVICE_PORT_") {
			continue
		}
		w := k + " is no setting of schemagate"
		if n := spell.Nearest(k, known); n != "" {
			w += "; did you mean " + n + "?"
		}
		warnings = append(warnings, w)
	}
	sort.Strings(warnings)
	return warnings
}
