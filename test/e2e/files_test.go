package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/schemagate/schemagate/test/harness"
)

// The files that people have: everything that a splitter or a shared session could get wrong.
func TestPostgresFiles(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	role := newRole(t, s.URL, "")
	s.Psql("grant create on schema public to " + role)
	s.Write(harness.Files{
		"0001_quotes.up.sql": `create table notes (id int, body text); -- a ; in a comment
insert into notes values (1, 'it''s; one'), (2, $$two; ' and -- three$$), (3, $tag$ $$;$$ $tag$), (4, E'four\';');
/* a comment ; /* nested ; */ still a comment ' $$ ; */
insert into notes values (5, U&'d\0061t;a');
create function shout(t text) returns text language plpgsql as $body$
begin
  -- one; two
  return upper(t) || ';' || $$!$$;
end;
$body$;
create function twice(n int) returns int begin atomic select n * 2; end;
create table "odd;name" ("col;umn" int);
`,
		"0002_shout.up.sql":       "update notes set body = shout(body) where id = 1;\nupdate notes set id = twice(id) where id = 5;\n",
		"0003_enum.up.sql":        "create type mood as enum ('sad', 'ok');\ncreate table moods (m mood);\n",
		"0004_enum_value.up.sql":  "alter type mood add value 'happy';\n",
		"0005_enum_used.up.sql":   "insert into moods values ('happy');\n",
		"0006_copy.up.sql":        "create table rates (code text, rate text);\ncopy rates (code, rate) from stdin;\na;b\t1;5\nc\\td\t\\N\n--\t/*\n\\.\ninsert into rates values ('last', 'row');\n",
		"0007_dump_header.up.sql": "SET statement_timeout = 0;\nSET client_encoding = 'UTF8';\nSET standard_conforming_strings = off;\nSELECT pg_catalog.set_config('search_path', '', false);\nSET default_tablespace = '';\nCREATE TABLE public.from_dump (n integer);\n",
		"0008_after_dump.up.sql":  "create table after_dump (n int);\ninsert into after_dump values (1);\ninsert into notes values (8, 'back\\slash');\n",
		"0009_leaves.up.sql":      "create schema other;\nset search_path to other;\nset role " + role + ";\ncreate temp table scratch (n int);\nset session characteristics as transaction isolation level serializable;\nset statement_timeout = '1s';\n",
		"0010_finds.up.sql": "create table finds as select current_user::text as who, current_setting('search_path') as path, " +
			"current_setting('transaction_isolation') as isolation, current_setting('statement_timeout') as timeout, to_regclass('scratch') is null as clean;\n",
		"0011_wrapped.up.sql": "-- as many tools write it\nBEGIN;\ncreate table wrapped (n int);\ninsert into wrapped values (1);\nCOMMIT;\n",
		"0012_windows.up.sql": "\ufeff-- schemagate: lock_timeout=2s\r\ncreate table windows (\r\n  n int\r\n);\r\ninsert into windows values (1);\r\n",
		"0013_index.up.sql":   "CREATE INDEX CONCURRENTLY notes_id ON notes (id);\n",
		"0014_loose.up.sql":   "-- schemagate: no-transaction\ncreate table loose (n int);\ncreate unique index concurrently loose_n on loose (n);\nvacuum loose;\ninsert into loose values (1);\n",
		"0015_do.up.sql":      "do $$ begin for i in 1..3 loop insert into wrapped values (i); end loop; end $$;\n",
		"0016_no_end.up.sql":  "insert into wrapped values (9)",
		"0017_savepoint.up.sql": "savepoint before_it;\ninsert into wrapped values (10);\nrollback to before_it;\n" +
			"insert into wrapped values (11);\nrelease before_it;\n",
	})
	s.Up()
	for sql, want := range map[string]string{
		"select id, body from notes order by id":                                           "1|IT'S; ONE;!\n2|two; ' and -- three\n3| $$;$$ \n4|four';\n8|back\\slash\n10|dat;a",
		"select m from moods":                                                              "happy",
		"select code, coalesce(rate, 'none') from rates":                                   "a;b|1;5\nc\td|none\n--|/*\nlast|row",
		"select isolation, timeout, clean from finds":                                      "read committed|0|t",
		"select count(*) from finds where who = 'postgres' and path = '\"$user\", public'": "1",
		"select n from wrapped order by n":                                                 "1\n1\n2\n3\n9\n11",
		"select n from windows":                                                            "1",
		"select n from loose":                                                              "1",
		"select count(*) from after_dump":                                                  "1",
		"select nspname from pg_class c join pg_namespace n on n.oid = relnamespace where relname = 'schemagate_history'": "public",
		"select string_agg(indexrelid::regclass::text, ' ' order by indexrelid) from pg_index where not indisvalid":       "",
		"select count(*) from pg_class where relname in ('notes_id', 'loose_n')":                                          "2",
		"select count(*) from pg_class where relname = 'odd;name'":                                                        "1",
	} {
		if got := s.Psql(sql); got != want {
			t.Errorf("%s: %q, want %q", sql, got, want)
		}
	}
	if got := strings.Fields(s.applied()); len(got) != 17 {
		t.Errorf("applied %v, want 17", got)
	}
	s.Up() // and all of it is recognised
}

// Errors name the line of the file, whatever stands before the statement.
func TestErrorsNameTheLine(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, want string }{
		"after comments and CRLF": {"-- one\r\n/* two\r\n */\r\n\r\nselect 1;\r\nselect\r\n  nope;\r\n", ":7: column \"nope\" does not exist [42703]"},
		"below its own comment":   {"select 1;\n-- about it;\n/* and\nmore */ select 1,\n  nope;\n", ":5: column \"nope\" does not exist [42703]"},
		"inside a function":       {"do $$\nbegin\n  perform 1/0;\nend $$;\n", ":1: division by zero [22012]"},
		"syntax":                  {"create table a (n int);\ncreate tabel b (n int);\n", ":2: syntax error at or near \"tabel\" [42601]"},
		"in a COPY":               {"create table a (n int);\ncopy a from stdin;\n1\nx\n\\.\n", ":2: invalid input syntax for type integer"},
		"ended inside":            {"do $$\nbegin\n  commit;\nend $$;\n", ":1: invalid transaction termination"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, harness.Files{"0001_broken.up.sql": c.text})
			s.Expect(70, "up").Says("apply 0001_broken.up.sql" + c.want)
			if got := s.Psql("select count(*) from pg_class where relname in ('a', 'b')"); got != "0" {
				t.Errorf("%s tables were left", got)
			}
		})
	}
}

// A set that is broken keeps the gate shut, says where, and never gets as far as the database.
func TestBrokenSets(t *testing.T) {
	t.Parallel()
	good := numbered(2)
	for name, c := range map[string]struct {
		files harness.Files
		want  []string
	}{
		"commit in the middle":    {good.And(harness.Files{"0003_x.up.sql": "select 1;\n\ncommit;\nselect 2;\n"}), []string{"0003_x.up.sql:3: COMMIT in a migration"}},
		"rollback":                {good.And(harness.Files{"0003_x.up.sql": "select 1;\nrollback;\n"}), []string{"0003_x.up.sql:2: ROLLBACK in a migration"}},
		"two transactions":        {good.And(harness.Files{"0003_x.up.sql": "begin;\nselect 1;\ncommit;\nbegin;\nselect 2;\ncommit;\n"}), []string{"0003_x.up.sql:3: COMMIT", "0003_x.up.sql:4: BEGIN"}},
		"isolation":               {good.And(harness.Files{"0003_x.up.sql": "begin isolation level serializable;\nselect 1;\ncommit;\n"}), []string{"0003_x.up.sql:1: BEGIN"}},
		"prepare transaction":     {good.And(harness.Files{"0003_x.up.sql": "select 1;\nprepare transaction 'x';\n"}), []string{"0003_x.up.sql:2: PREPARE TRANSACTION"}},
		"begin without a commit":  {good.And(harness.Files{"0003_x.up.sql": "begin;\nselect 1;\n"}), []string{"0003_x.up.sql:1: BEGIN"}},
		"concurrently with other": {good.And(harness.Files{"0003_x.up.sql": "select 1;\ncreate index concurrently on tally (version);\n"}), []string{"0003_x.up.sql:2: CREATE INDEX CONCURRENTLY", "no-transaction"}},
		"one version twice":       {good.And(harness.Files{"2_other.up.sql": "select 1;\n"}), []string{"version 2 is also that of 0002_step.up.sql", "2_other.up.sql"}},
		"an empty file":           {good.And(harness.Files{"0003_x.up.sql": " \n"}), []string{"0003_x.up.sql: is empty"}},
		"only a mark":             {good.And(harness.Files{"0003_x.up.sql": "-- schemagate: idempotent\n"}), []string{"0003_x.up.sql: holds no statement to apply"}},
		"an open quote":           {good.And(harness.Files{"0003_x.up.sql": "select 1;\nselect 'open;\n"}), []string{"0003_x.up.sql:2: "}},
		"UTF-16":                  {good.And(harness.Files{"0003_x.up.sql": "\xff\xfes\x00e\x00"}), []string{"0003_x.up.sql:1: is UTF-16"}},
		"an unknown directive":    {good.And(harness.Files{"0003_x.up.sql": "-- schemagate: no-transction\nselect 1;\n"}), []string{`0003_x.up.sql:1: unknown directive "no-transction"`, `did you mean "no-transaction"`}},
		"a way back alone":        {good.And(harness.Files{"0003_x.down.sql": "select 1;\n"}), []string{"0003_x.down.sql: is a way back without a way up"}},
		"two formats":             {good.And(harness.Files{"0003_x.sql": "-- +goose Up\nselect 1;\n"}), []string{"0003_x.sql: looks like goose, but 0001_tally"}},
		"all problems at once":    {good.And(harness.Files{"0003_x.up.sql": "", "0004_y.up.sql": "commit;\n"}), []string{"0003_x.up.sql: is empty", "0004_y.up.sql:1: COMMIT"}},
		"an empty folder":         {harness.Files{}, []string{"SCHEMAGATE_MIGRATIONS=", "holds no migration", "mounted"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, c.files).with("SCHEMAGATE_LOG_FORMAT=json")
			run, mark := s.marked()
			s.Expect(65, run...).Says(c.want...)
			s.keptShut(mark)
		})
	}
	t.Run("a file that can't be read", func(t *testing.T) {
		s := newStage(t, good)
		if err := os.Symlink(filepath.Join(s.Dir, "nowhere"), filepath.Join(s.Dir, "0003_x.up.sql")); err != nil {
			t.Fatal(err)
		}
		run, mark := s.marked()
		s.Expect(65, run...).Says("0003_x.up.sql: can't be read (no such file or directory)")
		s.keptShut(mark)
	})
	t.Run("no folder", func(t *testing.T) {
		s := newStage(t, good)
		run, mark := s.marked()
		s.with("SCHEMAGATE_MIGRATIONS="+filepath.Join(s.Dir, "nowhere")).Expect(65, run...).Says("nowhere", "can't be read (no such file or directory)")
		s.keptShut(mark)
	})
	t.Run("a file instead of a folder", func(t *testing.T) {
		s := newStage(t, good)
		run, mark := s.marked()
		s.with("SCHEMAGATE_MIGRATIONS="+filepath.Join(s.Dir, "0001_tally.up.sql")).Expect(65, run...).Says("SCHEMAGATE_MIGRATIONS=")
		s.keptShut(mark)
	})
}

func (s *stage) keptShut(mark string) {
	s.T.Helper()
	if lines(mark) != 0 {
		s.T.Error("the app was started")
	}
	if got := s.Psql("select count(*) from pg_class where relname like 'schemagate%'"); got != "0" {
		s.T.Errorf("%s of our tables were made", got)
	}
}
