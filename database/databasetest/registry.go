package databasetest

import (
	"strings"

	"github.com/schemagate/schemagate/database"
)

var registryRules = []rule{
	{"RegistryBeforeTheTables", registryBefore},
	{"RegistryKeepsAndRenews", registryRenews},
	{"RegistryIsTheServicesOwn", registryServices},
	{"InitRowIsSeenByLooks", registryInit},
}

func registryBefore(w *world) {
	c := w.open(service)
	w.want(c.Register(w.ctx(), database.Replica{ID: "a", State: database.ReplicaOpen}), database.ErrNotPrepared)
	reg, err := c.Registry(w.ctx())
	w.must(err)
	if len(reg.Replicas) != 0 {
		w.t.Errorf("registry %+v before the tables exist", reg)
	}
}

func registryRenews(w *world) {
	c, other := w.prepared(), w.open(service)
	a := database.Replica{ID: "a", Name: "it's a \\ replica", Release: "1.0", Version: "0007", Digest: "d", State: database.ReplicaWaiting}
	b := database.Replica{ID: "b", Name: "b", Release: "2.0", Version: "0009", Digest: "e", State: database.ReplicaOpen}
	w.must(c.Register(w.ctx(), a))
	w.must(other.Register(w.ctx(), b))
	read := func() (database.Registry, []database.Replica) {
		w.t.Helper()
		reg, err := other.Registry(w.ctx())
		w.must(err)
		return reg, reg.Replicas
	}
	first, rows := read()
	if len(rows) != 2 || first.Server == "" {
		w.t.Fatalf("registry %+v", first)
	}
	for i, want := range []database.Replica{a, b} {
		got := rows[i]
		if got.Beat == "" || got.AgeMS < 0 {
			w.t.Errorf("row %+v lacks a beat or is from the future", got)
		}
		got.Beat, got.AgeMS = "", 0
		if got != want {
			w.t.Errorf("row %+v, want %+v", got, want)
		}
	}
	a.State = database.ReplicaOpen
	w.until("the beat changes", func() bool { // a clock of milliseconds may stand still for one
		w.must(c.Register(w.ctx(), a))
		second, again := read()
		return second.Server == first.Server && again[0].State == database.ReplicaOpen && again[0].Beat != rows[0].Beat && again[1].Beat == rows[1].Beat
	})
	w.must(c.Deregister(w.ctx(), "a", "nobody"))
	if _, rows := read(); len(rows) != 1 || rows[0].ID != "b" {
		w.t.Errorf("after one deregistered: %+v", rows)
	}
}

func registryServices(w *world) {
	c, other := w.prepared(), w.open("other")
	w.must(w.again(func() error { return other.Prepare(w.ctx()) }))
	w.must(c.Register(w.ctx(), database.Replica{ID: "a", State: database.ReplicaOpen}))
	reg, err := other.Registry(w.ctx())
	w.must(err)
	if len(reg.Replicas) != 0 {
		w.t.Errorf("another service sees %+v", reg.Replicas)
	}
	w.must(other.Deregister(w.ctx(), "a"))
	if reg, err = c.Registry(w.ctx()); err != nil || len(reg.Replicas) != 1 {
		w.t.Errorf("another service removed our row: %+v, %v", reg.Replicas, err)
	}
}

func registryInit(w *world) {
	c := w.prepared()
	digest := strings.Repeat("d", 64)
	if w.look(c, database.Query{Digest: digest, Since: -1}).Init {
		w.t.Error("a look sees an init row that nobody wrote")
	}
	w.must(c.Register(w.ctx(), database.Replica{ID: database.InitReplica(digest), Digest: digest, State: database.ReplicaInit}))
	if !w.look(c, database.Query{Digest: digest, Since: -1}).Init {
		w.t.Error("a look does not see the init row")
	}
	if w.look(c, database.Query{Digest: strings.Repeat("e", 64), Since: -1}).Init {
		w.t.Error("a look sees another set's init row")
	}
}
