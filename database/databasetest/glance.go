package databasetest

import "github.com/schemagate/schemagate/database"

var glanceRules = []rule{{"GlanceIsClearOnlyAfterTheSetsOwnCompleteEvent", glances}}

// glances: a database may always leave it to the look, so that what counts is that it is never clear when it must not be.
func glances(w *world) {
	c := w.open(service)
	glance := func(when string, may bool) {
		w.t.Helper()
		clear, init, err := c.Glance(w.ctx(), "d")
		w.must(err)
		if clear && !may {
			w.t.Errorf("%s: a glance finds it clear", when)
		}
		if may && w.Glances && !clear || clear && !init {
			w.t.Errorf("%s: clear %v, init %v", when, clear, init)
		}
	}
	glance("without our tables", false)
	c.Disconnect()
	c = w.prepared()
	glance("with an empty history", false)
	s, _ := w.lead(c)
	complete := database.Event{Kind: database.Complete, Digest: "d"}
	w.must(c.Register(w.ctx(), database.Replica{ID: database.InitReplica("d"), Digest: "d", State: database.ReplicaInit}))
	w.must(s.Record(w.ctx(), database.Event{Kind: database.Complete, Digest: "other"}))
	glance("with another set complete", false)
	w.must(s.Record(w.ctx(), complete))
	glance("when complete", true)
	w.must(s.Record(w.ctx(), database.Event{Kind: database.Failed, Version: "9"}, database.Event{Kind: database.Complete, Digest: "other"}))
	glance("with another set complete after it", true)
	for _, kind := range database.Decides {
		w.must(s.Record(w.ctx(), database.Event{Kind: kind, Version: "9", Digest: "e"}))
		glance("after "+string(kind), false)
		w.must(s.Record(w.ctx(), complete))
		glance("when complete again", true)
	}
}
