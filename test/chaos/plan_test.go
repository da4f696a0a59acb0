package chaos

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/schemagate/schemagate/test/harness"
	"github.com/schemagate/schemagate/test/servers"
)

// versions of the set that every seed applies. Each leaves a row in `effects`, which no constraint keeps from being there twice.
const versions = 6

func version(n int) string { return fmt.Sprintf("%04d", n) }

func effect(n int) string { return fmt.Sprintf("INSERT INTO effects(version) VALUES ('%04d')", n) }

// Who builds an index waits for a lock that a test may have taken (building), and then keeps nobody waiting for it.
const (
	building = "SELECT pg_advisory_lock(4712)"
	built    = "pg_advisory_lock_shared(4712), pg_advisory_unlock_shared(4712)"
)

// build is met inside for certain: the index is on a function that waits, and is slow besides.
func build(n int) string {
	return fmt.Sprintf("-- schemagate: no-transaction\nCREATE INDEX CONCURRENTLY items_%04d ON items (slow(n + %d));\n%s;\n", n, n, effect(n))
}

// pages is some work that needs room on the disk.
func pages(n int) string {
	return fmt.Sprintf("CREATE TABLE pages_%04d AS SELECT g, repeat('x', 1000) AS text FROM generate_series(1, 50) g;\n", n)
}

func set() harness.Files {
	return harness.Files{
		"0001_items.up.sql": "CREATE TABLE items (id int PRIMARY KEY, n int);\nINSERT INTO items SELECT g, g FROM generate_series(1, 30) g;\n" +
			"CREATE FUNCTION slow(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM " + built + "; PERFORM pg_sleep(0.01); RETURN $1; END $$;\n" +
			effect(1) + ";\n",
		"0002_note.up.sql":  "ALTER TABLE items ADD note text;\n" + effect(2) + ";\n" + pages(2),
		"0003_index.up.sql": build(3),
		"0004_slow.up.sql":  effect(4) + ";\nSELECT pg_sleep(0.5);\n" + pages(4),
		"0005_index.up.sql": build(5),
		"0006_fill.up.sql":  "UPDATE items SET note = 'x';\n" + effect(6) + ";\n" + pages(6),
	}
}

// step is one message that leads to a fault point.
type step struct {
	way  servers.Direction
	text []string // all of them
}

func (s step) matches(d servers.Direction, data []byte) bool {
	if d != s.way {
		return false
	}
	for _, text := range s.text {
		if !bytes.Contains(data, []byte(text)) {
			return false
		}
	}
	return true
}

// point is where a fault is delivered: on the last of its messages, as they follow each other in one replica's traffic.
type point struct {
	name string
	n    int // version, 0 where it concerns the term
}

func (p point) String() string {
	if p.n == 0 {
		return p.name
	}
	return p.name + " " + version(p.n)
}

func (p point) steps() []step {
	mint := step{servers.ToServer, []string{"schemagate_fence set term"}}
	index := step{servers.ToServer, []string{"CREATE INDEX CONCURRENTLY items_" + version(p.n)}}
	applied := step{servers.ToServer, []string{"insert into", "schemagate_history", "E'applied', E'" + version(p.n) + "'", "commit"}}
	complete := step{servers.ToServer, []string{"E'complete'"}}
	committed := step{servers.ToClient, []string{"COMMIT\x00"}}
	switch p.name {
	case "before the tables":
		return []step{{servers.ToServer, []string{"create table if not exists"}}}
	case "after winning":
		return []step{mint}
	case "minted, unanswered":
		return []step{mint, committed}
	case "after minting":
		return []step{mint, {servers.ToServer, []string{"'trying', trying"}}}
	case "opening its session": // a takeover can't end what has not arrived: the fence alone is in the way
		return []step{mint, {servers.ToServer, []string{"application_name", "/migrate\x00"}}}
	case "before the fence of":
		return []step{{servers.ToServer, []string{"as schemagate_fence", "E'" + version(p.n) + "')) v"}}}
	case "inside the transaction of":
		return []step{{servers.ToServer, []string{effect(p.n)}}}
	case "before the commit of":
		return []step{applied}
	case "between commit and reply of":
		return []step{applied, committed}
	case "before the index build of", "inside the index build of": // the first attempt is in a transaction, and refused
		return []step{index, index}
	case "before complete":
		return []step{complete}
	case "complete, unanswered":
		return []step{complete, committed}
	}
	panic("no such point: " + p.name)
}

// needsRoom tells whether a migration that needs room on the disk is certainly to come.
func (p point) needsRoom() bool {
	switch p.name {
	case "inside the transaction of", "before the fence of":
		return p.n > 0
	}
	return p.n < versions && !slices.Contains(lastPoints, p.name) && (p.n > 0 || p.name == "before the tables")
}

var (
	termPoints      = []string{"after winning", "minted, unanswered", "after minting", "opening its session", "opening its session"}
	migrationPoints = []string{"before the fence of", "inside the transaction of", "before the commit of", "between commit and reply of"}
	indexPoints     = []string{"before the index build of", "inside the index build of"}
	lastPoints      = []string{"before complete", "complete, unanswered"}
)

// fault is what happens at a point to the replica that got there.
type fault struct {
	point  point
	action string
	after  string // what becomes of the message that was held: it is delivered at once, late, or lost
	detail int    // a choice within the action
}

// newTerm tells whether a mint is certainly to come.
func (f fault) newTerm() bool { return f.action == "kill" || f.action == "packets lost" && !f.heals() }

// heals tells whether the packets get through again, or the replica is cut off for good.
func (f fault) heals() bool { return f.detail%2 == 0 }

func (f fault) String() string { return fmt.Sprintf("%s: %s (message %s)", f.point, f.action, f.after) }

var (
	databaseActions = []string{"kill", "kill", "kill", "stop", "stop", "terminate", "terminate", "reset", "reset", "half-close", "blackhole",
		"delay", "restart immediate", "restart fast", "no connections left", "disk full", "disk full", "packets lost", "packets lost"}
	consulActions  = []string{"consul wiped", "consul cut off", "kill", "stop briefly"}
	clusterActions = []string{"consul leader killed", "consul leader killed", "consul leader killed", "consul cut off"}
	// A holder of Consul's lock that is silent keeps it for twenty seconds; there are tests of their own for that.
	silencing = []string{"stop", "packets lost"}
)

// overtaking has a leader stop when it is about to open its session, and come to itself when its successor has minted and read,
// and holds nothing: the older term's check is all that is in the way of its write. Then a fault hits the successor.
func overtaking(next string, detail int) []fault {
	return []fault{
		{point: point{name: "opening its session"}, action: "overtake", after: "late"},
		{point: point{name: "after minting"}, action: next, after: "delivered", detail: detail},
	}
}

// plan is all that a seed decides.
type plan struct {
	seed     uint64
	replicas int
	consul   bool
	cluster  bool // of three Consul servers
	faults   []fault
}

// has tells whether a fault of the plan does so.
func (p plan) has(action string) bool {
	return slices.ContainsFunc(p.faults, func(f fault) bool { return f.action == action })
}

func (p plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %d replicas, ", p.seed, p.replicas)
	switch {
	case p.cluster:
		b.WriteString("three Consul servers, ")
	case p.consul:
		b.WriteString("Consul, ")
	}
	for i, f := range p.faults {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(f.String())
	}
	return b.String()
}

// newPlan draws points that follow each other in a leader's life, so that one is not missed for having been passed.
func newPlan(seed uint64) plan {
	r := rand.New(rand.NewPCG(seed, 0))
	pick := func(from []string) string { return from[r.IntN(len(from))] }
	p := plan{seed: seed, replicas: 3 + r.IntN(3), consul: r.IntN(4) == 0}
	actions := databaseActions
	if p.consul {
		actions = slices.DeleteFunc(slices.Clone(actions), func(a string) bool { return slices.Contains(silencing, a) })
		if p.cluster = r.IntN(2) == 0; p.cluster {
			actions = slices.Concat(actions, clusterActions)
		} else {
			actions = slices.Concat(actions, consulActions)
		}
	}
	reached, newTerm := 0, true // versions certainly in force; whether a mint is still to come
	if !p.consul && r.IntN(5) == 0 {
		next := pick(actions)
		p.faults = overtaking(next, r.IntN(4))
		newTerm = p.faults[1].newTerm()
	}
	for range 1 + r.IntN(3) {
		f := fault{action: pick(actions), after: pick([]string{"delivered", "late", "lost"}), detail: r.IntN(4)}
		next := min(reached+1+r.IntN(3), versions)
		switch c := r.IntN(10); {
		case c == 0 && reached == 0 && len(p.faults) == 0:
			f.point = point{name: "before the tables"}
		case c <= 2 && newTerm:
			f.point = point{name: pick(termPoints)}
		case reached == versions || c == 9:
			f.point = point{name: pick(lastPoints)}
			reached = versions
		case c <= 5 && next <= 5:
			f.point = point{name: pick(indexPoints), n: next + (1 - next%2)}
			if f.point.n < 3 {
				f.point.n = 3
			}
		default:
			f.point = point{name: pick(migrationPoints), n: next}
		}
		reached = max(reached, f.point.n)
		for f.action == "disk full" && !f.point.needsRoom() {
			f.action = pick(actions)
		}
		if f.action == "disk full" && f.after == "late" { // it is the leader that has to meet it
			f.after = "delivered"
		}
		newTerm = f.newTerm()
		p.faults = append(p.faults, f)
		if slices.Contains(lastPoints, f.point.name) { // maybe nothing is to come
			break
		}
	}
	return p
}
