package e2e

import (
	"strings"
	"testing"

	"github.com/schemagate/schemagate/test/harness"
)

// unresolved leaves a set whose second migration was killed in the middle of a statement that commits in between, so that nobody
// but a person can tell what came of it.
func unresolved(t *testing.T) *stage {
	t.Helper()
	s := newStage(t, harness.Files{
		"0001_tally.up.sql": "create table tally (version text);\ncreate procedure work() language plpgsql as $$\nbegin\n" +
			"  insert into tally values ('first half');\n  commit;\n  perform pg_advisory_xact_lock(7);\n  insert into tally values ('second half');\nend $$;\n",
		"0002_work.up.sql": "-- schemagate: no-transaction lock_timeout=0\ninsert into tally values ('before');\n\n-- can't be asked for\ncall work();\n" +
			"insert into tally values ('after');\n",
		"0003_rest.up.sql": "insert into tally values ('rest');\n",
	})
	open := s.closeBarrier()
	leader := s.Start("up")
	pid := s.atBarrier(1)
	follower := s.Start("up")
	follower.Await(harness.Msg("waiting"))
	leader.Kill()
	harness.Until(t, "the dead leader's statement has ended", func() bool { return s.pidGone(pid) })
	open()
	follower.Exits(70)
	follower.Says("0002_work.up.sql:5: this statement runs outside a transaction and was interrupted; whether it took effect can't be told",
		"schemagate resolve 0002 --from-statement 3  (it did)", "schemagate resolve 0002 --from-statement 2  (it did not)",
		"schemagate resolve 0002 --applied  (all of the file is done)")
	run, mark := s.marked()
	s.Expect(70, run...).Says("schemagate resolve 0002")
	if lines(mark) != 0 {
		t.Error("the app was started")
	}
	s.traces("before, first half")
	return s
}

// traces checks what the migrations left, in order.
func (s *stage) traces(want string) {
	s.T.Helper()
	if got := s.Psql("select string_agg(version, ', ' order by ctid) from tally"); got != want {
		s.T.Errorf("the traces are %q, want %q", got, want)
	}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer string
		want   string
	}{
		"it took effect":        {"--from-statement=3", "before, first half, after, rest"},
		"it did not":            {"--from-statement=2", "before, first half, first half, second half, after, rest"},
		"from its start":        {"--retry", "before, first half, before, first half, second half, after, rest"},
		"all of it is done":     {"--applied", "before, first half, rest"},
		"every statement is so": {"--from-statement=4", "before, first half, rest"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := unresolved(t)
			s.Expect(0, "resolve", "0002", c.answer)
			if got := s.events("resolved"); got != "0002" {
				t.Errorf("%q is recorded as resolved", got)
			}
			harness.ExitAll(t, 0, s.StartMany(3, "up")...)
			s.traces(c.want)
			if c.answer != "--applied" {
				if got := s.applied(); got != "0001 0002 0003" {
					t.Errorf("applied %q", got)
				}
			}
			if got := s.status(); got.Gate != "open" || strings.Join(got.Applied, " ") != "0001 0002 0003" {
				t.Errorf("the status is %+v", got)
			}
			s.Expect(65, "resolve", "0002", "--applied").Says("resolve 0002: it is in force since")
		})
	}
}

// Answers that fit no question are refused.
func TestResolveThatIsRefused(t *testing.T) {
	t.Parallel()
	s := unresolved(t)
	s.Expect(65, "resolve", "0009", "--applied").Says("resolve 0009: neither this release's set nor the history knows that version")
	s.Expect(65, "resolve", "0002", "--from-statement", "5").Says("0002_work.up.sql has 3 statement(s)")
	s.Expect(65, "resolve", "0002", "--from-statement", "0").Says("has 3 statement(s)")
	if got := s.events("resolved"); got != "" {
		t.Errorf("%q is recorded as resolved", got)
	}
	s.traces("before, first half")

	t.Log("a file that no longer begins with what is done needs an answer, too")
	s.Expect(0, "resolve", "2", "--from-statement", "3")
	s.Write(harness.Files{"0002_work.up.sql": "-- schemagate: no-transaction\ninsert into tally values ('something else');\ncall work();\ninsert into tally values ('after');\n"})
	s.Expect(70, "up").Says("0002_work.up.sql: its first 2 statement(s) are done, and the file no longer begins with them", "schemagate resolve 0002 --from-statement K")
	s.Expect(0, "resolve", "2", "--from-statement", "3")
	s.Up()
	s.traces("before, first half, after, rest")
}

// A file that is mended behind the statement at which it failed goes on there.
func TestFailureOutsideATransactionGoesOn(t *testing.T) {
	t.Parallel()
	s := newStage(t, harness.Files{
		"0001_tally.up.sql": "create table tally (version text);\n",
		"0002_loose.up.sql": "-- schemagate: no-transaction\ninsert into tally values ('one');\ninsert into tally values ('two');\ninsert into tally values (1/0);\ninsert into tally values ('four');\n",
	})
	s.Expect(70, "up").Says("0002_loose.up.sql:4: division by zero [22012]")
	s.traces("one, two")
	if got := s.status(); len(got.Migrations) != 2 || got.Migrations[1].State != "partial" {
		t.Errorf("the status is %+v", got)
	}
	s.Expect(70, "up")
	s.traces("one, two")
	s.Write(harness.Files{"0002_loose.up.sql": "-- schemagate: no-transaction\ninsert into tally values ('one');\ninsert into tally values ('two');\ninsert into tally values ('three');\ninsert into tally values ('four');\n"})
	s.Up()
	s.traces("one, two, three, four")
}
