package migrations

import "testing"

// TestSkim: the same digest as that of the set that is read, and none where reading is needed.
func TestSkim(t *testing.T) {
	with := func(name, text string) folder {
		return folder{"0001_a.up.sql": "\ufeffCREATE TABLE a (id int);\r\n", "0001_a.down.sql": "DROP TABLE a;", "10_c.up.sql": "SELECT 3;", "0002_b.up.sql": "SELECT 2;\n", name: text}
	}
	for _, plain := range []folder{with("README.md", "x"), with("0002_b.down.sql", "it is never read"), with(".hidden.sql", "x"), with("3_d.up.sql", "SELECT ':', 'schemagate' AS gate;"),
		with("3_d.up.sql", "-- schemagate: no-transaction lock_timeout=2s\nSELECT 1;"), with("3_d.up.sql", "INSERT INTO contracts VALUES ('a: backfill');")} {
		set, ok := Skim(plain.fs(), Options{Dialect: Postgres})
		if !ok || len(set.Migrations) != 0 {
			t.Fatalf("%v: not skimmed", plain)
		}
		delete(plain, "0002_b.down.sql")
		if want := load(t, plain, Options{Dialect: Postgres}); set.Digest != want.Digest || set.Format != want.Format {
			t.Errorf("%v: %s %s, read it is %s %s", plain, set.Format, set.Digest, want.Format, want.Digest)
		}
	}
	for name, text := range map[string]string{
		"3_d.sql": "SELECT 1;", "V3__d.sql": "SELECT 1;", "3-d.up.sql": "SELECT 1;", "3_d.up.json": "[]", "3_d.up.SQL": "SELECT 1;", // another format, or none
		"3_d.up.sql": "-- SchemaGate: phase=contract\nSELECT 1;", "4_d.up.sql": "-- schemagate: backfill table=t key=id background\nUPDATE t SET a = 1 WHERE :batch;",
		"5_d.up.sql": "", "6_d.up.sql": "\xff\xfeS", "7_d.up.sql": "\x00", "02_d.up.sql": "SELECT 1;", // twice
		"8_d.down.sql": "SELECT 1;", "00001_x.down.sql": "SELECT 1;", "0002_b.check.sql": "SELECT true;", "9_d.go": "goose.AddMigration(x)",
	} {
		if set, ok := Skim(with(name, text).fs(), Options{Dialect: Postgres}); ok {
			t.Errorf("%s %q: skimmed as %+v", name, text, set)
		}
	}
	if _, ok := Skim(folder{"README.md": "x"}.fs(), Options{Dialect: Postgres}); ok {
		t.Error("an empty folder was skimmed")
	}
	if _, ok := Skim(with("x.txt", "").fs(), Options{Dialect: MongoDB}); ok {
		t.Error("SQL for MongoDB was skimmed")
	}
}
