package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// bare is a stage without a database.
func bare(t *testing.T, env ...string) *stage {
	return stageOn(t, "", numbered(1)).with(env...)
}

// All problems of the settings are told at once, and none of them is guessed around.
func TestWrongSettings(t *testing.T) {
	t.Parallel()
	r := bare(t, "SCHEMAGATE_LEASE_TTL=10ms", "SCHEMAGATE_TIMEOUT=soon", "SCHEMAGATE_TRANSACTION=all", "SCHEMAGATE_ELECTION=zookeeper://x",
		"SCHEMAGATE_PHASE=later", "SCHEMAGATE_HTTP_ADDR=8099", "SCHEMAGATE_LOG_LEVEL=loud", "SCHEMAGATE_POOLED=perhaps",
		"SCHEMAGATE_LOCK_TIMEOUT=-1s", "SCHEMAGATE_APP_HEALTH_URL=localhost").Expect(78, "up")
	words := r.LastWords()
	for _, want := range []string{
		"SCHEMAGATE_DATABASE_URL: is not set", "SCHEMAGATE_LEASE_TTL: 10ms is not between", `SCHEMAGATE_TIMEOUT: "soon" is not a duration`,
		`SCHEMAGATE_TRANSACTION: "all" is none of migration, release`, "SCHEMAGATE_ELECTION:", "SCHEMAGATE_PHASE:", `SCHEMAGATE_HTTP_ADDR: "8099"`,
		"SCHEMAGATE_LOG_LEVEL:", "SCHEMAGATE_POOLED:", "SCHEMAGATE_LOCK_TIMEOUT: -1s is negative", "SCHEMAGATE_APP_HEALTH_URL:",
	} {
		if !strings.Contains(words, want) {
			t.Errorf("it does not say %q: %s", want, words)
		}
	}
	if n := strings.Count(words, "\n") + 1; n != 11 {
		t.Errorf("%d problems, want 11, one to a line: %s", n, words)
	}
}

func TestDatabaseURLThatIsNone(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"postgress://u:topsecret@h/d":   "postgress: use one of postgres://",
		"h:topsecret@host/d":            "use one of postgres://",
		"postgres://u:top%secret@h/d":   "must be percent-encoded",
		"postgres://u:topsecret@h:x1/d": "SCHEMAGATE_DATABASE_URL",
	} {
		r := bare(t, "SCHEMAGATE_DATABASE_URL="+url).Expect(78, "up")
		if words := r.LastWords(); !strings.Contains(words, want) || strings.Contains(words, "secret") {
			t.Errorf("%s: it says %s", url, words)
		}
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "url")
	if err := os.WriteFile(file, []byte(" \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	bare(t, "SCHEMAGATE_DATABASE_URL_FILE="+file).Expect(78, "up").Says("SCHEMAGATE_DATABASE_URL_FILE", "is empty")
	bare(t, "SCHEMAGATE_DATABASE_URL_FILE="+file+"x").Expect(78, "up").Says("SCHEMAGATE_DATABASE_URL_FILE", "can't be read")
	bare(t, "SCHEMAGATE_DATABASE_URL=postgres://h/d", "SCHEMAGATE_DATABASE_URL_FILE="+file).Expect(78, "up").Says("is set beside SCHEMAGATE_DATABASE_URL")
}

// The places from which the database URL may come, and the flags that override them.
func TestWhereSettingsComeFrom(t *testing.T) {
	t.Parallel()
	s := newStage(t, numbered(1))
	unset := s.at("")
	file := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(file, []byte(s.URL+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	unset.with("SCHEMAGATE_DATABASE_URL_FILE="+file).Expect(0, "up")
	s.appliedOnce(1)
	unset.with("DATABASE_URL="+s.URL).Expect(0, "up")
	unset.with("DATABASE_URL=mysql://ignored", "SCHEMAGATE_DATABASE_URL="+s.URL).Expect(0, "up")
	unset.Expect(0, "up", "--database-url", s.URL)
	unset.Expect(0, "--database-url="+s.URL, "up", "--log-level=debug", "--timeout", "1m").Says(`"level":"debug"`)
	s.with("SCHEMAGATE_TIMEOUT=soon").Expect(0, "up", "--timeout=1m")
}

// Wrong usage is told with what was probably meant.
func TestWrongUsage(t *testing.T) {
	t.Parallel()
	s := bare(t, "SCHEMAGATE_DATABASE_URL=postgres://h/d")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"up", "--timout=1m"}, "unknown flag: --timout; did you mean --timeout?"},
		{[]string{"up", "--lease-tl", "1m"}, "did you mean --lease-ttl?"},
		{[]string{"upp"}, `there is no command "upp"; did you mean up?`},
		{[]string{"stats"}, "did you mean status?"},
		{[]string{}, "name a command"},
		{[]string{"up", "now"}, "schemagate up: "},
		{[]string{"run"}, "schemagate run: "},
		{[]string{"run", "true"}, "write schemagate run [flags] -- CMD and its arguments"},
		{[]string{"up", "--database-url", "postgres://u:topsecret@h/d"}, "--database-url holds a password"},
		{[]string{"up", "--database-url=postgres://h/d?password=topsecret"}, "SCHEMAGATE_DATABASE_URL_FILE"},
		{[]string{"up", "--http-token=topsecret"}, "use SCHEMAGATE_HTTP_TOKEN or SCHEMAGATE_HTTP_TOKEN_FILE"},
		{[]string{"down", "0"}, "N is a whole number from 1"},
		{[]string{"down", "x"}, "use --to VERSION"},
		{[]string{"down", "2", "--to", "1"}, "not both"},
		{[]string{"resolve"}, "schemagate resolve: "},
		{[]string{"resolve", "1"}, "give one of --applied, --retry and --from-statement K"},
		{[]string{"resolve", "1", "--applied", "--retry"}, "give one of"},
		{[]string{"health", "sick"}, "unknown probe"},
	} {
		r := s.Expect(64, c.args...)
		if words := r.LastWords(); !strings.Contains(words, c.want) || strings.Contains(words, "topsecret") {
			t.Errorf("%v: it says %q, want %q", c.args, words, c.want)
		}
	}
}

// Every command of the contract is there.
func TestCommandsOfTheContract(t *testing.T) {
	t.Parallel()
	s := bare(t)
	help := s.Expect(0, "--help").Out.Text()
	for _, name := range []string{"run", "up", "wait", "sidecar", "status", "history", "plan", "down", "resolve", "validate", "test", "lint", "adopt", "baseline",
		"pause", "resume", "cancel", "new", "health", "demo", "version"} {
		if !strings.Contains(help, "\n  "+name+" ") {
			t.Errorf("help does not list %s", name)
		}
		s.Expect(64, name, "--whatever").Says("unknown flag")
	}
}

// A misspelt variable is told with the one that was probably meant; what Kubernetes injects for a Service of our name is not.
func TestUnknownVariables(t *testing.T) {
	t.Parallel()
	s := newStage(t, numbered(1)).with("SCHEMAGATE_TIMOUT=1s", "SCHEMAGATE_NONSENSE_AT_ALL_HERE=1",
		"SCHEMAGATE_PORT=tcp://10.0.0.1:8099", "SCHEMAGATE_PORT_8099_TCP=tcp://10.0.0.1:8099", "SCHEMAGATE_PORT_8099_TCP_ADDR=10.0.0.1",
		"SCHEMAGATE_SERVICE_HOST=10.0.0.1", "SCHEMAGATE_SERVICE_PORT=8099", "SCHEMAGATE_SERVICE_PORT_HTTP=8099", "SCHEMA=x")
	r := s.Up()
	r.Says("SCHEMAGATE_TIMOUT is no setting of schemagate; did you mean SCHEMAGATE_TIMEOUT?", "SCHEMAGATE_NONSENSE_AT_ALL_HERE is no setting")
	if warnings, _ := r.Err.Grep("is no setting"); len(warnings) != 2 {
		t.Errorf("%d warnings, want 2: %v", len(warnings), warnings)
	}
	r.NeverSays("10.0.0.1")
}

func TestHelpAndVersion(t *testing.T) {
	t.Parallel()
	s := bare(t)
	if out := s.Expect(0, "version").Out.Text(); !strings.HasPrefix(out, "schemagate ") {
		t.Errorf("version prints %q", out)
	}
	for _, args := range [][]string{{"--help"}, {"up", "--help"}, {"help", "run"}} {
		if out := s.Expect(0, args...).Out.Text(); !strings.Contains(out, "--lease-ttl") || strings.Contains(out, "--http-token ") {
			t.Errorf("%v prints\n%s", args, out)
		}
	}
}
