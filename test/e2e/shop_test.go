package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/schemagate/schemagate/test/harness"
	"github.com/schemagate/schemagate/test/servers"
)

var contractMark = regexp.MustCompile(`(?m)^-- schemagate:.*phase=contract`)

// The shop's migrations, a real application's few years: what schemagate makes of them is what psql makes of them, and the ways
// back lead back.
func TestShop(t *testing.T) {
	t.Parallel()
	folder, err := filepath.Abs("../../examples/shop/migrations")
	if err != nil {
		t.Fatal(err)
	}
	ups, err := filepath.Glob(filepath.Join(folder, "*.up.sql"))
	if err != nil || len(ups) < 60 {
		t.Fatalf("%d migrations in %s, want at least 60: %v", len(ups), folder, err)
	}
	slices.Sort(ups)
	s := newStage(t, nil)
	s.Dir = folder
	empty := s.dump(withoutUs)

	plain := servers.SharedPostgres(t).NewDatabase(t)
	var expands, contracts []string
	for _, up := range ups {
		text, err := os.ReadFile(up)
		if err != nil {
			t.Fatal(err)
		}
		if contractMark.Match(text) {
			contracts = append(contracts, up)
		} else {
			expands = append(expands, up)
		}
	}
	runFiles(t, plain, expands)
	want := dump(t, plain, withoutUs, "--schema-only")
	rows := rowCounts(t, plain)

	if out := s.at("").Expect(0, "validate").Out.Text(); !strings.Contains(out, "migrations (native)") {
		t.Errorf("validate prints %s", out)
	}
	s.Expect(0, "plan")
	harness.ExitAll(t, 0, s.StartMany(4, "up")...)
	if got := len(strings.Fields(s.applied())); got != len(expands) {
		t.Errorf("%d of %d applied, want all but %d", got, len(ups), len(contracts))
	}
	sameText(t, "schema", s.dump(withoutUs, "--schema-only"), want)
	sameText(t, "rows", rowCounts(t, s.URL), rows)
	s.Up().NeverSays(harness.Msg("applying"))

	t.Log("the contracts, on the operator's word")
	runFiles(t, plain, contracts)
	s.Expect(0, "up", "--contract")
	sameText(t, "schema", s.dump(withoutUs, "--schema-only"), dump(t, plain, withoutUs, "--schema-only"))

	t.Log("all the way back")
	s.Expect(0, "down", "--to", "0")
	sameText(t, "empty database", s.dump(withoutUs), empty)
	s.Expect(65, "up").Says("on hold")

	t.Log("and forth again")
	s.Expect(0, "up", "--again")
	sameText(t, "schema", s.dump(withoutUs, "--schema-only"), want)
	sameText(t, "rows", rowCounts(t, s.URL), rows)
}

// runFiles has psql run the files, each in a session that an earlier one's role or search_path does not reach.
func runFiles(t *testing.T, url string, files []string) {
	t.Helper()
	args := []string{"-X", "-q", "-o", os.DevNull, "-v", "ON_ERROR_STOP=1", "-d", url}
	for _, f := range files {
		args = append(args, "-f", f, "-c", "reset session authorization; reset role; reset all; discard temp")
	}
	psql := exec.Command("psql", args...)
	psql.Env = append(os.Environ(), "PGOPTIONS=-c client_min_messages=warning")
	if out, err := psql.CombinedOutput(); err != nil {
		t.Fatalf("psql: %v\n%s", err, out)
	}
}

// rowCounts counts the rows of every table but ours.
func rowCounts(t *testing.T, url string) string {
	t.Helper()
	return servers.Psql(t, url, `select string_agg(format('%s.%s %s', n.nspname, c.relname,
  (xpath('/row/n/text()', query_to_xml(format('select count(*) as n from %I.%I', n.nspname, c.relname), false, true, '')))[1]), E'\n' order by n.nspname, c.relname)
from (select oid, * from pg_class) c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'm') and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_' and c.relname !~ '^schemagate_'`)
}
