package e2e

import "testing"

// What a migration promises of itself is asked before it counts: inside its transaction, or right after it.
func TestVerify(t *testing.T) {
	t.Parallel()
	s := newStage(t, numbered(1).and(files{
		"0002_step.up.sql":  "-- schemagate: verify=SELECT count(*) = 3 FROM tally;\n" + traceOf(2),
		"0003_index.up.sql": "-- schemagate: no-transaction\n-- schemagate: verify=select indisvalid and (select count(*) = 4 from tally) from pg_index where indexrelid = 'tally_version'::regclass\ncreate index concurrently tally_version on tally (version);\n",
	}))
	run, mark := s.marked()
	const what = "apply 0002_step.up.sql:1: verify: it does not hold: the answer is not true"
	r := s.expect(70, run...)
	if got := r.lastWords(); got != what {
		t.Errorf("it says %q, want %q", got, what)
	}
	if got := s.events("failed") + "/" + s.applied(); got != "0002/0001" {
		t.Errorf("failed and applied are %q", got)
	}
	if got := s.psql("select count(*) from tally"); got != "1" {
		t.Errorf("%s rows: it was not rolled back", got)
	}
	s.psql("insert into tally values ('by hand')")

	t.Log("outside a transaction the statements stay done, and the query is asked again")
	s.expect(70, run...).says("apply 0003_index.up.sql:2: verify: it does not hold")
	if got := s.status(); got.Gate != "closed" || got.LastError == "" {
		t.Errorf("the status is %+v", got)
	}
	s.expect(70, run...).says("0003_index.up.sql:2: verify")
	if lines(mark) != 0 {
		t.Error("the app was started")
	}
	s.psql("insert into tally values ('by hand, too')")
	s.expect(0, run...)
	s.up()

	t.Log("a script has its own")
	scripts, _ := mongoStage(t, files{"20240101000000-x.js": "// schemagate: verify=SELECT 1\nexports.up = async db => {}\n"})
	scripts.expect(65, "up").says("20240101000000-x.js:1: verify= is for SQL")
	scripts = scripts.folder(files{"20240101000000-x.js": "exports.up = async db => {}\nexports.verify = async db => { throw new Error('seven are left') }\n"})
	scripts.expect(70, "up").says("20240101000000-x.js:2: verify: seven are left")
	if got := scripts.status(); got.Gate != "closed" {
		t.Errorf("the gate is %s", got.Gate)
	}
}
