package e2e

import (
	"testing"

	"github.com/schemagate/schemagate/test/harness"
)

// What a migration promises of itself is asked before it counts: inside its transaction, or right after it.
func TestVerify(t *testing.T) {
	t.Parallel()
	s := newStage(t, numbered(1).And(harness.Files{
		"0002_step.up.sql":  "-- schemagate: verify=SELECT count(*) = 3 FROM tally;\n" + traceOf(2),
		"0003_index.up.sql": "-- schemagate: no-transaction\n-- schemagate: verify=select indisvalid and (select count(*) = 4 from tally) from pg_index where indexrelid = 'tally_version'::regclass\ncreate index concurrently tally_version on tally (version);\n",
	}))
	run, mark := s.marked()
	const what = "apply 0002_step.up.sql:1: verify: it does not hold: the answer is not true"
	r := s.Expect(70, run...)
	if got := r.LastWords(); got != what {
		t.Errorf("it says %q, want %q", got, what)
	}
	if got := s.events("failed") + "/" + s.applied(); got != "0002/0001" {
		t.Errorf("failed and applied are %q", got)
	}
	if got := s.Psql("select count(*) from tally"); got != "1" {
		t.Errorf("%s rows: it was not rolled back", got)
	}
	s.Psql("insert into tally values ('by hand')")

	t.Log("outside a transaction the statements stay done, and the query is asked again")
	s.Expect(70, run...).Says("apply 0003_index.up.sql:2: verify: it does not hold")
	if got := s.status(); got.Gate != "closed" || got.LastError == "" {
		t.Errorf("the status is %+v", got)
	}
	s.Expect(70, run...).Says("0003_index.up.sql:2: verify")
	if lines(mark) != 0 {
		t.Error("the app was started")
	}
	s.Psql("insert into tally values ('by hand, too')")
	s.Expect(0, run...)
	s.Up()

	t.Log("a script has its own")
	scripts, _ := mongoStage(t, harness.Files{"20240101000000-x.js": "// schemagate: verify=SELECT 1\nexports.up = async db => {}\n"})
	scripts.Expect(65, "up").Says("20240101000000-x.js:1: verify= is for SQL")
	scripts = scripts.folder(harness.Files{"20240101000000-x.js": "exports.up = async db => {}\nexports.verify = async db => { throw new Error('seven are left') }\n"})
	scripts.Expect(70, "up").Says("20240101000000-x.js:2: verify: seven are left")
	if got := scripts.status(); got.Gate != "closed" {
		t.Errorf("the gate is %s", got.Gate)
	}
}
