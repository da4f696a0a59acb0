package databasetest

import (
	"errors"

	"github.com/schemagate/schemagate/database"
)

var foreignRules = []rule{
	{"ForeignRecordIsReadAsItWasWritten", foreignRead},
	{"ForeignRecordIsWrittenUnderTheFence", foreignFenced},
}

var foreignShapes = []database.Shape{{Name: "other_record", Columns: []string{"version", "name"}}, {Name: "absent", Columns: []string{"version"}}}

// record is a table of another tool with two rows, one of which lacks a name.
func record() database.ForeignWrite {
	return database.ForeignWrite{Table: "other_record", Create: "CREATE TABLE other_record (version int, name varchar(50), done boolean)",
		Insert: []map[string]any{{"version": int64(1), "name": `it's; "ö" \n`, "done": true}, {"version": int64(2), "name": "b", "done": false}}}
}

func foreign(w *world, c Client) []database.ForeignTable {
	w.t.Helper()
	tables, err := c.(database.Foreign).Foreign(w.ctx(), foreignShapes)
	w.must(err)
	return tables
}

func foreignRead(w *world) {
	c := w.prepared()
	if tables := foreign(w, c); len(tables) != 0 {
		w.t.Fatalf("found %+v in an empty database", tables)
	}
	s, _ := w.lead(c)
	w.must(s.(database.ForeignSession).HandBack(w.ctx(), record(), database.Event{Kind: database.HandedBack, Note: "2"}))
	tables := foreign(w, c)
	if len(tables) != 1 || tables[0].Table != "other_record" || len(tables[0].Rows) != 2 {
		w.t.Fatalf("found %+v", tables)
	}
	for _, r := range tables[0].Rows {
		yes := r["done"] == "true" || r["done"] == "1"
		if r["version"] == "1" && (r["name"] != `it's; "ö" \n` || !yes) || r["version"] == "2" && (r["name"] != "b" || yes) {
			w.t.Errorf("row %v", r)
		}
	}
	w.must(s.(database.ForeignSession).HandBack(w.ctx(), database.ForeignWrite{Schema: tables[0].Schema, Table: "other_record",
		Delete: []map[string]any{{"version": int64(1), "done": true}, {"version": int64(2), "done": true}}, Insert: []map[string]any{{"version": int64(3), "name": "c"}}}))
	if rows := foreign(w, c)[0].Rows; len(rows) != 2 || rows[0]["version"] != "2" && rows[1]["version"] != "2" {
		w.t.Errorf("after a deletion of one: %v", rows)
	} else if r := rows[1]; r["version"] == "3" {
		if v, ok := r["done"]; ok {
			w.t.Errorf("NULL reads as %q", v)
		}
	}
	w.must(s.(database.ForeignSession).HandBack(w.ctx(), database.ForeignWrite{Schema: tables[0].Schema, Table: "other_record", Delete: []map[string]any{{}}}))
	if tables := foreign(w, c); len(tables) == 1 && len(tables[0].Rows) != 0 {
		w.t.Errorf("after a deletion of all: %+v", tables)
	}
	w.wantKinds(c, "handed back")
}

func foreignFenced(w *world) {
	c := w.prepared()
	stale, _ := w.lead(c)
	s, _ := w.lead(w.open(service))
	err := stale.(database.ForeignSession).HandBack(w.ctx(), record(), database.Event{Kind: database.HandedBack})
	if !errors.Is(err, database.ErrFenced) && !errors.Is(err, database.ErrInterrupted) && !errors.Is(err, database.ErrUnknown) && !errors.Is(err, database.ErrUnreachable) {
		w.t.Errorf("a stale session handed back: %v", err)
	}
	if tables := foreign(w, c); len(tables) > 0 && len(tables[0].Rows) > 0 {
		w.t.Errorf("it wrote %+v", tables)
	}
	w.wantKinds(c, "")
	w.must(s.(database.ForeignSession).HandBack(w.ctx(), record()))
}
