package databasetest

import (
	"strings"
	"time"

	"github.com/schemagate/schemagate/database"
)

var historyRules = []rule{
	{"HistoryIsAppendOnlyAndOrdered", historyOrdered},
	{"EveryFieldOfAnEventComesBack", eventFields},
	{"SeveralEventsAreRecordedTogether", eventsTogether},
	{"TextSurvives", textSurvives},
}

func historyOrdered(w *world) {
	a, b := w.prepared(), w.open(service)
	var before []database.Event
	for i, c := range []Client{a, b, a} {
		s, term := w.lead(c)
		w.must(s.Apply(w.ctx(), w.change(string(rune('1'+i)), w.Insert("counted", i))))
		w.must(s.Record(w.ctx(), database.Event{Kind: database.Interrupted, Version: "9"}, database.Event{Kind: database.Failed, Version: "9"}))
		now := w.history(w.open(service))
		if len(now) != len(before)+3 {
			w.t.Fatalf("%d events, want %d", len(now), len(before)+3)
		}
		for j, e := range now {
			switch {
			case j < len(before) && plain(e) != plain(before[j]):
				w.t.Errorf("event %+v became %+v", before[j], e)
			case j >= len(before) && e.Term != term.Number:
				w.t.Errorf("event %+v, want term %d", e, term.Number)
			case j > 0 && e.ID <= now[j-1].ID:
				w.t.Errorf("event %d stands behind %d", e.ID, now[j-1].ID)
			}
		}
		if v := w.look(b, database.Query{Since: -1}); v.Last != now[len(now)-1].ID {
			w.t.Errorf("a look says that %d is the last event, it is %d", v.Last, now[len(now)-1].ID)
		}
		before = now
	}
}

// plain makes two readings of one event comparable: a moment may come in any time zone.
func plain(e database.Event) database.Event {
	e.At = e.At.UTC()
	return e
}

func eventFields(w *world) {
	c := w.prepared()
	s, term := w.lead(c)
	down := "back"
	sent := database.Event{Kind: database.Failed, Version: "1", Name: "n", Checksum: "c", Digest: "d", Duration: 1234567 * time.Microsecond, Done: 3,
		Trying: 4, Prefix: "p", Code: "C0DE", Error: "e", Note: "o", Format: "goose", Down: &down}
	w.must(s.Record(w.ctx(), sent))
	got := w.history(c)[0]
	if got.Down == nil || *got.Down != down {
		w.t.Errorf("way back %v, want %q", got.Down, down)
	}
	want := sent
	want.ID, want.At, want.Down = got.ID, got.At, got.Down
	want.Term, want.Holder, want.Release, want.Replica = term.Number, term.Holder, origin.Release, origin.Replica
	if got != want {
		w.t.Errorf("event %+v, want %+v", got, want)
	}
}

func eventsTogether(w *world) {
	c := w.prepared()
	s, _ := w.lead(c)
	var events []database.Event
	for range 20 {
		events = append(events, database.Event{Kind: database.Backup, Note: "n"})
	}
	w.must(s.Record(w.ctx(), events...))
	if got := len(w.history(c)); got != len(events) {
		w.t.Errorf("%d events, want %d", got, len(events))
	}
}

func textSurvives(w *world) {
	c := w.prepared()
	_, term := w.lead(c)
	texts := []string{
		`it's "quoted", \back\slashed, $1 ? :x @y %s $$`,
		"lines\nand\ttabs\r\n",
		"žluťoučký kůň, 漢字, 🐎, \u202e",
		"NUL\x00 is dropped",
		"a byte \xff that is no character",
		"'; drop table schemagate_history; --",
		strings.Repeat("a long error ", 1000),
	}
	for _, text := range texts {
		s, err := c.Lead(w.ctx(), term, database.Origin{Release: text, Replica: text})
		w.must(err)
		w.must(s.Record(w.ctx(), database.Event{Kind: database.Failed, Version: text, Name: text, Checksum: text, Error: text, Note: text, Down: &text}))
		s.Close()
	}
	big := strings.Repeat("-- a line of a way back: 'é'\n", 1<<20/30)
	s := w.session(c, term)
	ch := w.change("big", w.Insert("counted", 1))
	ch.Down = &big
	w.must(s.Apply(w.ctx(), ch))
	events := w.history(w.open(service))
	if len(events) != len(texts)+1 {
		w.t.Fatalf("%d events, want %d", len(events), len(texts)+1)
	}
	for i, text := range texts {
		want := strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", ""), "\uFFFD")
		e := events[i]
		if e.Down == nil {
			w.t.Fatalf("event %q lost its way back", e.Version)
		}
		for _, got := range []string{e.Version, e.Name, e.Checksum, e.Error, e.Note, *e.Down, e.Release, e.Replica} {
			if got != want {
				w.t.Errorf("text %q, want %q", got, want)
			}
		}
	}
	if e := events[len(texts)]; e.Down == nil || *e.Down != big {
		w.t.Error("a way back of a mebibyte did not come back as it was")
	}
	v := w.look(c, database.Query{Since: 0})
	if len(v.Failures) != len(texts) {
		w.t.Errorf("a look shows %d failures, want %d", len(v.Failures), len(texts))
	}
}
