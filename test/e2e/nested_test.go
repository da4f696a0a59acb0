package e2e

import (
	"net/http"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/schemagate/schemagate/test/harness"
)

// TestTwoDatabasesBehindOneGate is the page on phases' example: a wrapper around a wrapper.
func TestTwoDatabasesBehindOneGate(t *testing.T) {
	t.Parallel()
	outer, inner := harness.FreePort(t), harness.FreePort(t)
	s := newStage(t, harness.Files{"0001_a.up.sql": "CREATE TABLE a (x int);"}).with("SCHEMAGATE_HTTP_ADDR="+outer,
		"SCHEMAGATE_APP_HEALTH_URL=http://"+inner+"/readyz")
	second := s.folder(harness.Files{"0001_b.up.sql": "CREATE TABLE b (x int);", "0002_bad.up.sql": "SELECT no_such_column;"})
	mark := filepath.Join(t.TempDir(), "started")
	nested := []string{"run", "--", "env", "SCHEMAGATE_DATABASE_URL=sqlite:" + filepath.Join(t.TempDir(), "local.db"),
		"SCHEMAGATE_MIGRATIONS=" + second.Dir, "SCHEMAGATE_HTTP_ADDR=" + inner, "SCHEMAGATE_APP_HEALTH_URL=", harness.Binary(),
		"run", "--", "sh", "-c", "echo started >> " + mark + "; exec sleep 600"}
	// While one of them does not fit nothing is started, and the failure is the wrapper's own.
	s.Expect(70, nested...).Says("no_such_column")
	if lines(mark) != 0 {
		t.Error("the app was started")
	}
	second.Remove("0002_bad.up.sql")
	r := s.Start(nested...)
	awaitCode(t, outer, "/readyz", http.StatusOK)
	answers(t, inner, map[string]int{"/readyz": 200, "/migrations/0001": 200, "/migrations/0002": 404})
	harness.Until(t, "the app runs", func() bool { return lines(mark) == 1 })
	r.Signal(syscall.SIGTERM)
	r.Exits(143)
}
