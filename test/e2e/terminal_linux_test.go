package e2e

import (
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/schemagate/schemagate/test/harness"
)

// onTerminal runs the program with a terminal for its standard error, and returns what a person saw.
func (s *stage) onTerminal(env []string, args ...string) string {
	s.T.Helper()
	keyboard, screen := harness.Terminal(s.T)
	cmd := s.with(env...).Command(args...)
	cmd.Stderr, cmd.Stdout = screen, screen
	if err := cmd.Start(); err != nil {
		s.T.Fatal(err)
	}
	if err := screen.Close(); err != nil { // the program has it now
		s.T.Fatal(err)
	}
	seen, _ := io.ReadAll(keyboard) // ends with an error of its own when the program has ended
	if err := cmd.Wait(); err != nil {
		s.T.Fatalf("%v\n%s", err, seen)
	}
	return string(seen)
}

// A person sees how far it is, what was applied, and then the app alone; a log collector sees lines of JSON.
func TestTerminal(t *testing.T) {
	t.Parallel()
	s := stageOn(t, "sqlite:"+filepath.Join(t.TempDir(), "a.db"), harness.Files{
		"0001_a.up.sql": "create table a (id int);\n", "0001_a.down.sql": "drop table a;\n",
		"0002_b.up.sql": "create table b (id int);\n", "0002_b.down.sql": "drop table b;\n",
	})
	shown := []string{"[........................] 0/2", "0001_a, since ", "[############............] 1/2", "\r\x1b[K", "APPLIED", "2 in all", "gate open, starting the app"}
	plain := s.onTerminal([]string{"SCHEMAGATE_LOG_FORMAT=", "NO_COLOR=1", "TERM=xterm"}, "run", "--", "echo", "the app")
	for _, want := range shown {
		if !strings.Contains(plain, want) {
			t.Errorf("%q is not on the screen:\n%q", want, plain)
		}
	}
	if strings.Contains(plain, "\x1b[3") {
		t.Errorf("NO_COLOR, and there are colours:\n%q", plain)
	}
	_, app, _ := strings.Cut(plain, "starting the app")
	if !strings.Contains(app, "the app\r\n") || strings.Contains(app, "[#") || strings.Contains(app, "waiting for") {
		t.Errorf("beside the app there is %q", app)
	}

	s.Expect(0, "down", "2")
	coloured := s.onTerminal([]string{"SCHEMAGATE_LOG_FORMAT=", "NO_COLOR=", "TERM=xterm"}, "up", "--again")
	if !strings.Contains(coloured, "\x1b[3") || !strings.Contains(coloured, "2 in all") {
		t.Errorf("no colours, or no table:\n%q", coloured)
	}

	s.Expect(0, "down", "2")
	for name, env := range map[string][]string{"JSON is asked for": {"SCHEMAGATE_LOG_FORMAT=json", "TERM=xterm"}, "a dumb terminal": {"SCHEMAGATE_LOG_FORMAT=", "TERM=dumb"}} {
		if seen := s.onTerminal(env, "up", "--again"); strings.Contains(seen, "\x1b[K") || strings.Contains(seen, "APPLIED") {
			t.Errorf("%s, and there is a bar or a table:\n%q", name, seen)
		}
	}
}
