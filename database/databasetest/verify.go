package databasetest

import (
	"strings"

	"github.com/schemagate/schemagate/database"
)

var verifyRules = []rule{
	{"VerifyThatHoldsLetsItBeApplied", verifyHolds},
	{"VerifyThatFailsKeepsItOut", verifyFails},
	{"VerifyBehindLooseStatementsIsAskedAgain", verifyLoose},
}

// verified is a change with a query on line 9 that has to be answered true.
func (w *world) verified(version, query string, statements ...string) database.Change {
	if w.Change != nil {
		w.t.Skip("scripts bring their own verify")
	}
	c := w.change(version, statements...)
	c.Verify = []database.Statement{{SQL: query, Line: 9}}
	return c
}

func verifyHolds(w *world) {
	c := w.prepared()
	s, _ := w.lead(c)
	w.must(s.Apply(w.ctx(), w.verified("1", "SELECT count(*) = 2 FROM counted", w.Insert("counted", 1), w.Insert("counted", 2))))
	w.must(s.Apply(w.ctx(), w.verified("2", "SELECT n > 0 FROM counted", w.Insert("counted", 3)))) // every row
	loose := w.verified("3", "SELECT count(*) = 5 FROM counted", w.Insert("counted", 4), w.Insert("counted", 5))
	loose.NoTransaction = true
	w.must(s.Apply(w.ctx(), loose))
	w.wantNumbers("counted", 1, 2, 3, 4, 5)
}

func verifyFails(w *world) {
	c := w.prepared()
	w.Exec(w.t, w.Insert("counted", 1))
	s, _ := w.lead(c)
	for query, says := range map[string]string{
		"SELECT count(*) = 3 FROM counted":      "does not hold",
		"SELECT n < 2 FROM counted":             "does not hold", // one row says so, the other does not
		"SELECT 7":                              "does not hold",
		"SELECT NULL":                           "does not hold",
		"SELECT n > 0 FROM counted WHERE n > 9": "no row",
		"SELECT 1 = 1, 1 = 1":                   "more than one column",
		"SELECT nope FROM counted":              "nope",
	} {
		err := s.Apply(w.ctx(), w.verified("1", query, w.Insert("counted", 2)))
		w.wantOwnFault(err, "1.up.sql", 9)
		if !strings.Contains(err.Error(), says) {
			w.t.Errorf("%s: error %v does not say %q", query, err, says)
		}
	}
	w.wantNumbers("counted", 1) // rolled back, every time
	w.wantKinds(c, "")
	w.must(s.Apply(w.ctx(), w.change("1", w.Insert("counted", 2))))
}

// What ran outside a transaction stays done; the next attempt asks again, and runs nothing twice.
func verifyLoose(w *world) {
	c := w.prepared()
	s, _ := w.lead(c)
	ch := w.verified("1", "SELECT count(*) = 2 FROM counted", w.Insert("counted", 1))
	ch.NoTransaction = true
	w.wantOwnFault(s.Apply(w.ctx(), ch), "1.up.sql", 9)
	events := w.history(c)
	if last := events[len(events)-1]; last.Kind != database.Running || last.Done != 1 || last.Trying != 0 {
		w.t.Errorf("the last event is %+v, want running, one done", last)
	}
	w.Exec(w.t, w.Insert("counted", 2))
	ch.From = 1
	w.must(s.Apply(w.ctx(), ch))
	w.wantNumbers("counted", 1, 2)
}
