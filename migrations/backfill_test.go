package migrations

import (
	"reflect"
	"testing"
	"time"
)

func TestMarksAreFoundWhereAServerWouldSeeThem(t *testing.T) {
	for _, c := range []struct {
		dialect Dialect
		sql     string
		want    []Part
	}{
		{Postgres, "UPDATE t SET a = ':to', b = c::text /* :from */ WHERE id BETWEEN :from AND :TO -- :batch",
			[]Part{{Text: "UPDATE t SET a = ':to', b = c::text /* :from */ WHERE id BETWEEN "}, {Mark: MarkFrom}, {Text: " AND "}, {Mark: MarkTo}, {Text: " -- :batch"}}},
		{Postgres, "SELECT $$ :from $$, E'\\':to', x::from, :other, :batch", []Part{{Text: "SELECT $$ :from $$, E'\\':to', x::from, :other, "}, {Mark: MarkBatch}, {}}},
		{MySQL, "UPDATE t SET a = 'it\\'s :to' # :from\nWHERE :batch AND :where",
			[]Part{{Text: "UPDATE t SET a = 'it\\'s :to' # :from\nWHERE "}, {Mark: MarkBatch}, {Text: " AND "}, {Mark: MarkWhere}, {}}},
		{SQLite, "UPDATE t SET [:to] = 1 WHERE (a, b) >= (:from) AND (a, b) <= (:to)",
			[]Part{{Text: "UPDATE t SET [:to] = 1 WHERE (a, b) >= ("}, {Mark: MarkFrom}, {Text: ") AND (a, b) <= ("}, {Mark: MarkTo}, {Text: ")"}}},
	} {
		if got := marked(c.dialect, c.sql); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %q\nis divided into %q,\nwant             %q", c.dialect, c.sql, got, c.want)
		}
	}
}

func TestBackfillProblems(t *testing.T) {
	const head = "-- schemagate: backfill table=t key=id "
	const update = "\nUPDATE t SET a = 1 WHERE :batch;"
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"size", head + "size=0" + update, []string{"1_a.up.sql:1: backfill: size=0 is not a number from 1"}},
		{"pause", head + "pause=10" + update, []string{"backfill: pause=10 is not a duration"}},
		{"empty part of a key", "-- schemagate: backfill table=t key=a," + update, []string{"a part of its key is empty"}},
		{"two words for what is left", head + `where="a is null" left="select 1"` + update, []string{"where= and left= say the same twice"}},
		{"ignores where", head + "where='a is null'\nUPDATE t SET a = 1 WHERE id BETWEEN :from AND :to;", []string{":2: backfill: the statement ignores where="}},
		{"no condition", head + "\n\nSELECT 1 WHERE :where;", []string{":3: backfill: the statement would run on the whole table each time: write WHERE :batch, or WHERE id BETWEEN :from AND :to"}},
		{"no-transaction", "-- schemagate: no-transaction\n" + head + update, []string{":2: backfill: a batch runs inside a transaction"}},
		{"contract", "-- schemagate: phase=contract\n" + head + update, []string{":1: a backfill is no contract"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			wantProblems(t, folder{"1_a.up.sql": c.text}.fs(), Options{Dialect: Postgres}, c.want)
		})
	}
	wantProblems(t, folder{"1_a.up.sql": "SELECT 1;", "1_a.down.sql": head + update}.fs(), Options{Dialect: Postgres}, []string{"1_a.down.sql:1: backfill on the way back"})
}

func TestBackfillsForMongoDB(t *testing.T) {
	const mongo = "// schemagate: backfill collection=users key=_id filter='{\"full\": {\"$exists\": false}}' background\nmodule.exports = { async batch(docs, db) {} }\n"
	set := load(t, folder{"20240101000000-full.js": mongo}, Options{Dialect: MongoDB})
	want := Backfill{Line: 1, Table: "users", Key: []string{"_id"}, Where: `{"full": {"$exists": false}}`, Background: true}
	if got := set.Migrations[0].Up.Backfill; !reflect.DeepEqual(*got, want) {
		t.Errorf("%+v, want %+v", *got, want)
	}
	set = load(t, folder{"1_full.up.json": `{"backfill": {"collection": "users", "key": ["org", "_id"], "filter": {"a": null}, "update": [{"$set": {"a": 1}}], "size": 7, "pause": "1s"}}`},
		Options{Dialect: MongoDB})
	want = Backfill{Line: 1, Table: "users", Key: []string{"org", "_id"}, Where: `{"a": null}`, Update: `[{"$set": {"a": 1}}]`, Size: 7, Pause: time.Second}
	if got := set.Migrations[0].Up.Backfill; !reflect.DeepEqual(*got, want) {
		t.Errorf("%+v, want %+v", *got, want)
	}
	for _, c := range []struct {
		files folder
		want  []string
	}{
		{folder{"1_a.up.json": "{\n\"backfill\": {\"colection\": \"users\"}}"}, []string{`1_a.up.json:2: backfill: json: unknown field "colection"`}},
		{folder{"1_a.up.json": `{"backfill": {"collection": "users", "update": {"$set": {"a": 1}}}}`}, []string{"without transactions a batch may be repeated"}},
		{folder{"1_a.up.json": `{"backfill": {"collection": "users", "filter": {}}}`}, []string{"backfill: it has no update"}},
		{folder{"20240101000000-a.js": "// schemagate: backfill collection=users key=_id idempotent\nexports.up = async () => {}"}, []string{"20240101000000-a.js:1: a backfill has no function batch"}},
	} {
		wantProblems(t, c.files.fs(), Options{Dialect: MongoDB}, c.want)
	}
}
