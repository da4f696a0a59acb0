package e2e

import "testing"

// TestABlockedStatementDoesNotRepeatThoseBeforeIt: statements of a no-transaction file that are done stay done when a later one
// has to wait for a lock.
func TestABlockedStatementDoesNotRepeatThoseBeforeIt(t *testing.T) {
	t.Parallel()
	s := newStage(t, files{
		"0001_a.up.sql": "CREATE TABLE marks (n int); CREATE TABLE busy (n int);",
		"0002_b.up.sql": "-- schemagate: no-transaction\nINSERT INTO marks VALUES (1);\nALTER TABLE busy ADD COLUMN x int;\nINSERT INTO marks VALUES (2);",
	}).with("SCHEMAGATE_LOCK_TIMEOUT=100ms")
	first := s.folder(files{"0001_a.up.sql": "CREATE TABLE marks (n int); CREATE TABLE busy (n int);"})
	first.up()
	release := holding(t, s.url, "lock table busy in access share mode")
	r := s.start("up")
	r.awaitN(msg("a lock was not had in time"), 2)
	release()
	r.exits(0)
	if got := s.psql("select string_agg(n::text, ',' order by n) from marks"); got != "1,2" {
		t.Errorf("marks %s, want 1,2", got)
	}
}
