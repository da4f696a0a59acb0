package e2e

import (
	"testing"

	"github.com/schemagate/schemagate/test/harness"
)

// TestABlockedStatementDoesNotRepeatThoseBeforeIt: statements of a no-transaction file that are done stay done when a later one
// has to wait for a lock.
func TestABlockedStatementDoesNotRepeatThoseBeforeIt(t *testing.T) {
	t.Parallel()
	s := newStage(t, harness.Files{
		"0001_a.up.sql": "CREATE TABLE marks (n int); CREATE TABLE busy (n int);",
		"0002_b.up.sql": "-- schemagate: no-transaction\nINSERT INTO marks VALUES (1);\nALTER TABLE busy ADD COLUMN x int;\nINSERT INTO marks VALUES (2);",
	}).with("SCHEMAGATE_LOCK_TIMEOUT=100ms")
	first := s.folder(harness.Files{"0001_a.up.sql": "CREATE TABLE marks (n int); CREATE TABLE busy (n int);"})
	first.Up()
	release := holding(t, s.URL, "lock table busy in access share mode")
	r := s.Start("up")
	r.AwaitN(harness.Msg("a lock was not had in time"), 2)
	release()
	r.Exits(0)
	if got := s.Psql("select string_agg(n::text, ',' order by n) from marks"); got != "1,2" {
		t.Errorf("marks %s, want 1,2", got)
	}
}
