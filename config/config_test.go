package config_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/schemagate/schemagate/config"
)

const someURL = "SCHEMAGATE_DATABASE_URL=postgres://u@localhost/db"

func load(t *testing.T, o config.Options) (*config.Config, []string) {
	t.Helper()
	c, warnings, err := config.Load(o)
	if err != nil {
		t.Fatal(err)
	}
	return c, warnings
}

func TestFlagsOverrideEnvironmentOverridesDefaults(t *testing.T) {
	c, _ := load(t, config.Options{
		Environ: []string{someURL, "SCHEMAGATE_TIMEOUT=3m", "SCHEMAGATE_SERVICE=env", "SCHEMAGATE_PHASE="},
		Flags:   map[string]string{"SCHEMAGATE_SERVICE": "flag"},
	})
	if c.Service != "flag" || c.Timeout != 3*time.Minute || c.LeaseTTL != 15*time.Second || c.Phase != "expand" {
		t.Errorf("service %q, timeout %v, ttl %v, phase %q", c.Service, c.Timeout, c.LeaseTTL, c.Phase)
	}
	if c.Replica == "" {
		t.Error("a replica without a name")
	}
}

func TestDatabaseURLFallsBack(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "url")
	if err := os.WriteFile(file, []byte("postgres://file@h/db\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		environ []string
		want    string
	}{
		"its own variable comes first": {[]string{someURL, "DATABASE_URL=postgres://other@h/db"}, "postgres://u@localhost/db"},
		"DATABASE_URL":                 {[]string{"DATABASE_URL=postgres://other@h/db"}, "postgres://other@h/db"},
		"a file":                       {[]string{"SCHEMAGATE_DATABASE_URL_FILE=" + file, "DATABASE_URL=postgres://other@h/db"}, "postgres://file@h/db"},
	} {
		if c, _ := load(t, config.Options{Environ: tc.environ}); c.DatabaseURL != tc.want {
			t.Errorf("%s: %q", name, c.DatabaseURL)
		}
	}
}

func TestAllProblemsAreToldAtOnceAndNameTheirSetting(t *testing.T) {
	_, _, err := config.Load(config.Options{Environ: []string{
		"SCHEMAGATE_TIMEOUT=soon", "SCHEMAGATE_COMMAND_ALWAYS=perhaps", "SCHEMAGATE_PHASE=contract", "SCHEMAGATE_TRANSACTION=all",
		"SCHEMAGATE_LEASE_TTL=10ms", "SCHEMAGATE_HTTP_ADDR=8099", "SCHEMAGATE_ELECTION=etcd://x", "SCHEMAGATE_LOG_LEVEL=loud",
		"SCHEMAGATE_LOCK_TIMEOUT=-1s", "SCHEMAGATE_APP_HEALTH_URL=ftp://x", "SCHEMAGATE_POOLED=maybe", "SCHEMAGATE_SERVICE=a/b",
		"SCHEMAGATE_GIT_KEY_FILE=/does/not/exist", "SCHEMAGATE_PLACEHOLDERS=x", "SCHEMAGATE_LOG_FORMAT=xml", "SCHEMAGATE_SCRIPT_MEMORY=lots",
	}})
	if !errors.Is(err, config.ErrConfig) {
		t.Fatalf("got %v", err)
	}
	for _, name := range []string{"TIMEOUT", "COMMAND_ALWAYS", "PHASE", "TRANSACTION", "LEASE_TTL", "HTTP_ADDR", "ELECTION", "LOG_LEVEL",
		"LOCK_TIMEOUT", "APP_HEALTH_URL", "POOLED", "SERVICE", "GIT_KEY_FILE", "PLACEHOLDERS", "LOG_FORMAT", "SCRIPT_MEMORY", "DATABASE_URL"} {
		if !strings.Contains(err.Error(), "SCHEMAGATE_"+name+": ") {
			t.Errorf("%s is not named in:\n%v", name, err)
		}
	}
}

func TestDatabaseURLProblemsNeverQuoteTheURL(t *testing.T) {
	for _, raw := range []string{"postgres//u:geheim@h/db", "psotgres://u:geheim@h/db", "u:geheim@h", "postgres://u:ge heim%zz@h/db", "host=h password=geheim"} {
		_, _, err := config.Load(config.Options{Environ: []string{"SCHEMAGATE_DATABASE_URL=" + raw}})
		if err == nil {
			t.Errorf("%q was accepted", raw)
			continue
		}
		if strings.Contains(err.Error(), "heim") {
			t.Errorf("the password stands in %q", err)
		}
	}
	_, _, err := config.Load(config.Options{Environ: []string{"SCHEMAGATE_DATABASE_URL=psotgres://h/db"}})
	if err == nil || !strings.Contains(err.Error(), "did you mean postgres?") {
		t.Errorf("no hint in %v", err)
	}
}

func TestAPasswordInAFlagIsWrongUsage(t *testing.T) {
	for _, raw := range []string{"postgres://u:geheim@h/db", "postgres://h/db?password=geheim", "mongodb://u:geheim@a,b/db"} {
		_, _, err := config.Load(config.Options{Flags: map[string]string{"SCHEMAGATE_DATABASE_URL": raw}})
		if !errors.Is(err, config.ErrUsage) || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%q: got %v", raw, err)
		}
	}
	if _, _, err := config.Load(config.Options{Flags: map[string]string{"SCHEMAGATE_DATABASE_URL": "postgres://u@h/db"}}); err != nil {
		t.Errorf("a URL without a password: %v", err)
	}
}

func TestUnknownVariablesWarn(t *testing.T) {
	_, warnings := load(t, config.Options{Environ: []string{someURL, "SCHEMAGATE_TIMOUT=1s", "SCHEMAGATE_PORT=tcp://10.0.0.1:80",
		"SCHEMAGATE_PORT_8099_TCP_ADDR=10.0.0.1", "SCHEMAGATE_SERVICE_HOST=10.0.0.1", "SCHEMAGATE_SERVICE_PORT_HTTP=80"}})
	if len(warnings) != 1 || !strings.Contains(warnings[0], "SCHEMAGATE_TIMOUT") || !strings.Contains(warnings[0], "SCHEMAGATE_TIMEOUT?") {
		t.Errorf("got %q", warnings)
	}
}

// The password of a git URL is a secret wherever it stands, a folder's name is none.
func TestAGitURLsPasswordIsMasked(t *testing.T) {
	var r config.Redactor
	c := config.Config{Migrations: "git+https://me:tok%2Fen-123@git.example.com/app.git//db?ref=main"}
	c.Secrets(&r)
	if got := r.String("fetch " + c.Migrations + " with tok/en-123"); strings.Contains(got, "en-123") {
		t.Errorf("shown: %s", got)
	}
	var plain config.Redactor
	(&config.Config{Migrations: "db/migrations"}).Secrets(&plain)
	if got := plain.String("open db/migrations"); got != "open db/migrations" {
		t.Errorf("masked: %s", got)
	}
}

func TestRedactorMasksEverySpelling(t *testing.T) {
	var r config.Redactor
	r.Add("postgres://u:p%40ss%22word@h/db")
	r.Add("-----KEY-----\nline\n")
	r.Add("abc") // too short to be told from ordinary text
	var out bytes.Buffer
	w := r.Writer(&out)
	text := `raw p@ss"word json p@ss\"word url p%40ss%22word key ` + "-----KEY-----\nline\n" + ` abc`
	if n, err := w.Write([]byte(text)); err != nil || n != len(text) {
		t.Fatal(n, err)
	}
	for _, leak := range []string{"ss\"word", `ss\"word`, "p%40ss", "KEY"} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("%q stands in %q", leak, out.String())
		}
	}
	if !strings.HasSuffix(out.String(), " abc") {
		t.Errorf("got %q", out.String())
	}
}

func TestEveryFieldIsDescribed(t *testing.T) {
	for _, f := range config.Fields() {
		if f.Desc == "" {
			t.Errorf("%s has no description", f.Variable)
		}
	}
}
