package e2e

import (
	"bytes"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/schemagate/schemagate/test/harness"
	"github.com/schemagate/schemagate/test/servers"
)

// commandLines holds what every user of the machine can read of every process.
func commandLines(t *testing.T) string {
	t.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no process list: %v", err)
	}
	var b strings.Builder
	for _, p := range paths {
		line, err := os.ReadFile(p)
		if err == nil { // else the process has ended
			b.Write(bytes.ReplaceAll(line, []byte{0}, []byte{' '}))
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// The password appears nowhere, whether a start succeeds or fails.
func TestPasswordIsShownNowhere(t *testing.T) {
	t.Parallel()
	const password = `hunter2 "p@ss/wörd" %`
	pg := servers.Postgres(t, servers.Password(password))
	s := stageOn(t, pg.NewDatabase(t), heldAt(2, 2)).with("SCHEMAGATE_LOG_LEVEL=debug",
		`SCHEMAGATE_BEFORE=echo "backing up $DATABASE_URL"; env`, `SCHEMAGATE_AFTER=echo "checking $DATABASE_URL"`)
	quoted, err := json.Marshal(password)
	if err != nil {
		t.Fatal(err)
	}
	secrets := []string{"hunter2", password, string(quoted[1 : len(quoted)-1]), url.QueryEscape(password), url.PathEscape(password)}
	shown := func(where, text string) {
		t.Helper()
		for _, secret := range secrets {
			if i := strings.Index(text, secret); i >= 0 {
				t.Errorf("%s shows the password: %q", where, text[max(0, i-100):min(len(text), i+100)])
				return
			}
		}
	}
	if !strings.Contains(s.URL, "hunter2") {
		t.Fatalf("the URL has no password: %s", s.URL)
	}
	var ran []*harness.Replica
	run := func(s *stage, code int, args ...string) {
		t.Helper()
		ran = append(ran, s.Expect(code, args...))
	}

	t.Log("a start that succeeds, seen while it runs")
	open := s.closeBarrier()
	addr := harness.FreePort(t)
	app := s.with("SCHEMAGATE_HTTP_ADDR="+addr).Start("run", "--", "sh", "-c", "env; "+serving)
	ran = append(ran, app)
	s.atBarrier(1)
	list := commandLines(t)
	shown("the process list", list)
	if !strings.Contains(list, harness.Binary()+" run") {
		t.Error("the process list does not show the replica")
	}
	open()
	app.AwaitOut("serving")
	shown("the process list", commandLines(t))
	for _, path := range []string{"/status", "/metrics", "/", "/readyz", "/migrations/0001"} {
		_, body := get(t, addr, path)
		shown(path, body)
	}
	app.End()
	if !app.Said("backing up postgres://postgres:*****@") || !app.Said("checking ") {
		t.Errorf("BEFORE and AFTER were not given the URL, or not masked: %s", app)
	}

	t.Log("starts that fail")
	s.Write(harness.Files{"0003_fails.up.sql": "select 1/0;\n"})
	run(s, 70, "up")
	run(s.with("SCHEMAGATE_BEFORE=echo \"can't back up $DATABASE_URL\" >&2; exit 3"), 70, "up")
	run(s.at(strings.Replace(s.URL, "/test_", "/nowhere_", 1)), 78, "up")
	run(s.at(strings.Replace(s.URL, "hunter2", "hunter2wrong", 1)), 78, "up")
	run(s.at(strings.Replace(s.URL, pg.Addr(), harness.FreePort(t), 1)).with("SCHEMAGATE_TIMEOUT=1s"), 69, "up")
	run(s.at(strings.Replace(s.URL, "sslmode=disable", "sslmode=nonsense", 1)), 78, "up")
	run(s.at(s.URL+"&nonsense=1"), 78, "up")
	run(s.at(strings.Replace(s.URL, "postgres://", "postgress://", 1)), 78, "up")
	run(s, 64, "up", "--database-url="+s.URL)
	for _, args := range [][]string{{"status"}, {"status", "--json"}, {"history"}, {"history", "--json"}, {"plan"}, {"plan", "--json"}} {
		run(s, 0, args...)
	}
	for _, r := range ran {
		shown("standard output of "+r.Cmd.Args[1], r.Out.Text())
		shown("standard error of "+r.Cmd.Args[1], r.Err.Text())
	}
	shown("the database", s.dump())
	shown("the server's log", pg.Log())
}
