package election_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/schemagate/schemagate/election"
)

// The search walks every interleaving of a few replicas that follow election.Next, in a world that is as hostile as its bounds
// allow: anybody may be elected at any time, replicas crash, stop for as long as they like (they are just not chosen), replies
// are lost, and a commit may still be on its way when its sender has given up on it.

const searchReplicas = 3

// protocol is what the variants change.
type protocol struct {
	noFence      bool // writes do not compare the term
	noPending    bool // writes do not look whether the version is still pending (external commands can't)
	readBefore   bool // the history is read before the term is minted
	oneRow       bool // the lease is renewed in the row that a migration locks
	honestLease  bool // a lease runs out only when its holder can't renew
	wantsHealthy bool // check that nobody takes a healthy leader's session away
	// The bounds: how many of the replicas are there, how many terms can be minted, how many crashes and lost replies there are.
	replicas    int
	terms, most int8
}

// session of a replica, at the server.
const (
	noSession = iota
	openSession
	endedSession
)

type replica struct {
	s       election.State
	crashed bool
	session uint8
	inTx    bool
	applied bool // the plan's snapshot: the migration is done
	early   bool // readBefore: the same, as read before the mint
	minting int8
}

// orphan is a transaction whose client is gone; commits says that its commit is on the way.
type orphan struct {
	term    int8
	locks   bool
	commits bool
	final   bool // it is a complete event
}

type model struct {
	r         [searchReplicas]replica
	fence     int8
	holder    int8
	lock      int8 // replica, -1 nobody, -2 the orphan
	orphan    orphan
	applied   int8 // how often the migration was applied
	complete  bool
	recovered int8 // the highest term that has read the history
	faults    int8
	lease     int8 // honestLease: who holds it, -1 nobody
	breach    string
}

// move is one possible step of the world; who is a replica's number, or -1.
type move struct {
	who  int8
	what string
	to   model
}

func (p protocol) moves(m model, out []move) []move {
	add := func(who int, what string, f func(*model)) {
		n := m
		f(&n)
		out = append(out, move{int8(who), what, n})
	}
	for i := range m.r {
		if m.r[i].crashed || m.r[i].s.Phase.Ended() {
			continue
		}
		p.act(m, i, func(what string, f func(*model)) { add(i, what, f) })
		if m.faults < p.most {
			add(i, "crashes", func(n *model) { n.faults++; p.crash(n, i, false) })
			if m.r[i].inTx {
				add(i, "crashes with its commit on the way", func(n *model) { n.faults++; p.crash(n, i, true) })
			}
		}
	}
	if m.orphan.term > 0 {
		add(-1, "the server ends an orphan", func(n *model) { n.endOrphan() })
		if m.orphan.commits {
			add(-1, "an orphan's commit arrives", func(n *model) {
				o := n.orphan
				n.endOrphan()
				n.write(o.term, o.final)
			})
		}
	}
	return out
}

func (m *model) endOrphan() {
	if m.orphan.locks && m.lock == -2 {
		m.lock = -1
	}
	m.orphan = orphan{}
}

func (p protocol) crash(m *model, i int, commits bool) {
	r := &m.r[i]
	r.crashed = true
	if r.inTx && r.session == openSession {
		m.orphan = orphan{term: int8(r.s.Term), locks: true, commits: commits, final: r.s.Phase == election.Complete}
		m.lock = -2
	}
	r.inTx, r.session = false, noSession
}

// write is the moment at which something is in the database for good.
func (m *model) write(term int8, final bool) {
	if term < m.recovered {
		m.breach = fmt.Sprintf("term %d wrote after term %d had begun its recovery", term, m.recovered)
	}
	if final {
		m.complete = true
		if m.applied == 0 {
			m.breach = "complete without the migration"
		}
		return
	}
	if m.applied++; m.applied > 1 {
		m.breach = "the migration was applied twice"
	}
}

func (m *model) feed(i int, e election.Event) {
	r := &m.r[i]
	if e.Kind == election.Fenced || e.Kind == election.Stop {
		r.inTx = false
	}
	r.s = election.Next(r.s, e)
	r.s.Tries = 0 // only backs off
	if r.s.Phase == election.Mint || r.s.Phase == election.Resign {
		m.closeSession(i)
	}
	if r.s.Phase == election.Look && m.lease == int8(i) {
		m.lease = -1
	}
}

func (m *model) closeSession(i int) {
	if m.lock == int8(i) {
		m.lock = -1
	}
	m.r[i].session, m.r[i].inTx = noSession, false
}

// evict ends the sessions of all terms up to last, and says whether there were any.
func (p protocol) evict(m *model, last int8, by int) (any bool) {
	for i := range m.r {
		r := &m.r[i]
		if i == by || r.crashed || r.session != openSession || int8(r.s.Term) > last {
			continue
		}
		any = true
		if p.wantsHealthy && m.lease == int8(by) && p.oneRow {
			m.breach = fmt.Sprintf("r%d, healthy and at work, lost its session to r%d", i, by)
		}
		if m.lock == int8(i) {
			m.lock = -1
		}
		r.session = endedSession
	}
	if m.orphan.term > 0 && m.orphan.term <= last {
		any = true
		m.endOrphan()
	}
	return any
}

// act lists what may come of the action that replica i is at. Both values of Led are tried: a lead may be lost at any time.
func (p protocol) act(m model, i int, add func(string, func(*model))) {
	r := m.r[i]
	event := func(what string, e election.Event, also func(*model)) {
		for _, led := range []bool{true, false} {
			e := e
			e.Led = led
			add(what, func(n *model) {
				if also != nil {
					also(n)
				}
				n.feed(i, e)
			})
		}
	}
	switch r.s.Phase {
	case election.Look:
		if m.complete {
			event("open", election.Event{Kind: election.SawOpen}, func(n *model) {
				if n.applied == 0 {
					n.breach = "a gate opened without the migration"
				}
			})
			return
		}
		event("vacant", election.Event{Kind: election.SawVacant, Term: int64(m.fence)}, func(n *model) { n.r[i].early = n.applied > 0 })
	case election.Wait, election.Pause:
		event("woke", election.Event{Kind: election.Woke}, nil)
	case election.Campaign:
		if p.mayWin(m, i) {
			event("won", election.Event{Kind: election.Won}, func(n *model) { n.lease = int8(i) })
		}
	case election.Mint:
		p.mint(m, i, event)
	case election.Drain:
		if n := m; p.evict(&n, int8(r.s.Term)-1, i) {
			event("blocked", election.Event{Kind: election.Blocked}, func(n *model) { p.evict(n, int8(r.s.Term)-1, i) })
		} else {
			event("done", election.Event{Kind: election.Done}, nil)
		}
	case election.Read:
		p.read(m, i, event)
	case election.Work, election.Complete:
		p.work(m, i, event, func() { // no event yet: the replica has not been told anything
			add("enters", func(n *model) { n.r[i].inTx, n.r[i].session, n.lock = true, openSession, int8(i) })
		})
	case election.Resign:
		event("done", election.Event{Kind: election.Done}, nil)
	}
}

// mayWin: an elector gives no safety, so anybody may win at any time; an honest lease runs out only when its holder is dead or
// can't renew.
func (p protocol) mayWin(m model, i int) bool {
	if !p.honestLease || m.lease < 0 || m.lease == int8(i) {
		return true
	}
	h := m.r[m.lease]
	return h.crashed || p.oneRow && m.lock == m.lease
}

func (p protocol) mint(m model, i int, event func(string, election.Event, func(*model))) {
	seen := int8(m.r[i].s.Seen)
	mine := m.fence == seen+1 && m.holder == int8(i) && m.r[i].minting == seen+1
	minted := election.Event{Kind: election.Minted, Term: int64(seen) + 1}
	switch {
	case mine:
		event("it was mine already", minted, nil)
	case m.fence != seen:
		event("fenced", election.Event{Kind: election.Fenced}, nil)
	case m.lock != -1:
		event("blocked", election.Event{Kind: election.Blocked}, func(n *model) { p.evict(n, seen, i) })
	case seen < p.terms:
		take := func(n *model) { n.fence, n.holder, n.r[i].minting = seen+1, int8(i), seen+1 }
		event("minted", minted, take)
		if m.faults < p.most {
			event("minted, reply lost", election.Event{Kind: election.Unknown}, func(n *model) { take(n); n.faults++ })
		}
	}
}

func (p protocol) read(m model, i int, event func(string, election.Event, func(*model))) {
	done := m.applied > 0
	if p.readBefore {
		done = m.r[i].early
	}
	steps := 1
	if done {
		steps = 0
	}
	event("planned", election.Event{Kind: election.Planned, Steps: steps}, func(n *model) {
		n.r[i].applied = done
		n.recovered = max(n.recovered, int8(n.r[i].s.Term))
	})
}

// work is one transaction in two moves: entering it under the fence's lock, and committing.
func (p protocol) work(m model, i int, event func(string, election.Event, func(*model)), enter func()) {
	r := m.r[i]
	term, final := int8(r.s.Term), r.s.Phase == election.Complete
	switch {
	case r.session == endedSession:
		event("session ended", election.Event{Kind: election.Interrupted}, nil)
	case !r.inTx && m.lock != -1:
		event("blocked", election.Event{Kind: election.Blocked}, nil)
	case !r.inTx && !p.noFence && (m.fence != term || m.holder != int8(i)):
		event("fenced", election.Event{Kind: election.Fenced}, nil)
	case !r.inTx && !final && !p.noPending && m.applied > 0:
		event("not pending", election.Event{Kind: election.Done}, nil)
	case !r.inTx:
		enter()
	default:
		commit := func(n *model) { n.closeTx(i); n.write(term, final) }
		event("committed", election.Event{Kind: election.Done}, commit)
		if m.faults < p.most {
			event("committed, reply lost", election.Event{Kind: election.Unknown}, func(n *model) { commit(n); n.faults++ })
			if m.orphan.term == 0 {
				event("commit on its way, connection broken", election.Event{Kind: election.Unknown}, func(n *model) {
					n.faults++
					n.r[i].inTx, n.r[i].session = false, noSession
					n.lock, n.orphan = -2, orphan{term: term, locks: true, commits: true, final: final}
				})
			}
		}
	}
}

func (m *model) closeTx(i int) {
	m.r[i].inTx = false
	if m.lock == int8(i) {
		m.lock = -1
	}
}

// key is a state up to the names of its replicas: which of two that are in the same place is called r0 makes no difference.
type key struct {
	r                     [searchReplicas]uint64
	fence, applied        int8
	recovered, faults     int8
	complete, orphansLock bool
	orphan                orphan
	breach                string
}

func (m *model) key() key {
	k := key{fence: m.fence, applied: m.applied, recovered: m.recovered, faults: m.faults, complete: m.complete,
		orphansLock: m.lock == -2, orphan: m.orphan, breach: m.breach}
	for i := range m.r {
		r := &m.r[i]
		var bits uint64
		for _, field := range []struct{ value, width uint64 }{
			{uint64(r.s.Phase), 4}, {uint64(r.s.After), 4}, {uint64(r.s.Seen), 3}, {uint64(r.s.Term), 3}, {uint64(r.s.Steps), 1},
			{uint64(r.s.Next), 1}, {uint64(r.session), 2}, {uint64(r.minting), 3}, {bit(r.crashed), 1}, {bit(r.inTx), 1},
			{bit(r.applied), 1}, {bit(r.early), 1}, {bit(m.holder == int8(i)), 1}, {bit(m.lock == int8(i)), 1}, {bit(m.lease == int8(i)), 1},
		} {
			bits = bits<<field.width | field.value
		}
		k.r[i] = bits
	}
	slices.Sort(k.r[:])
	return k
}

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// search visits every state that can be reached and returns the shortest way to a breach, if there is one.
func search(p protocol) (states int, trace []string, breach string) {
	first := model{lock: -1, lease: -1, holder: -1}
	for i := range first.r {
		first.r[i].s = election.Start(true)
		first.r[i].crashed = i >= p.replicas
	}
	known := map[key]bool{first.key(): true}
	came := []struct {
		from int32
		who  int8
		what string
	}{{}}
	queue := []model{first}
	var moves []move
	for at := 0; at < len(queue); at++ {
		m := queue[at]
		moves = p.moves(m, moves[:0])
		for _, mv := range moves {
			k := mv.to.key()
			if known[k] {
				continue
			}
			known[k] = true
			queue = append(queue, mv.to)
			came = append(came, struct {
				from int32
				who  int8
				what string
			}{int32(at), mv.who, mv.what})
			if mv.to.breach != "" {
				for n := int32(len(queue) - 1); n > 0; n = came[n].from {
					step := came[n].what
					if who := came[n].who; who >= 0 {
						step = fmt.Sprintf("r%d %v: %s", who, queue[came[n].from].r[who].s.Phase, step)
					}
					trace = append([]string{step}, trace...)
				}
				return len(queue), trace, mv.to.breach
			}
		}
	}
	return len(queue), nil, ""
}

// bounds keep each search to some hundred thousand states; what a wrong protocol needs to break lies well within them.
var bounds = []protocol{
	{replicas: 3, terms: 2, most: 1},
	{replicas: 2, terms: 3, most: 2},
}

// TestSearchFindsNoBreach is exhaustive within its bounds.
func TestSearchFindsNoBreach(t *testing.T) {
	for name, p := range map[string]protocol{
		"fenced transactions":                  {},
		"steps that can't ask for the history": {noPending: true},
		"an honest lease, healthy leaders":     {honestLease: true, wantsHealthy: true},
	} {
		for _, b := range bounds {
			p.replicas, p.terms, p.most = b.replicas, b.terms, b.most
			states, trace, breach := search(p)
			t.Logf("%s, %d replicas: %d states", name, p.replicas, states)
			if breach != "" {
				t.Errorf("%s: %s\n%s", name, breach, strings.Join(trace, "\n"))
			}
			if states < 1000 {
				t.Errorf("%s: only %d states were reached: the model does not move", name, states)
			}
		}
	}
}

// TestSearchFindsWrongProtocolsBroken shows that the search can fail.
func TestSearchFindsWrongProtocolsBroken(t *testing.T) {
	for name, tc := range map[string]struct {
		p    protocol
		want string
	}{
		"without the fence":                     {protocol{noFence: true}, "after term"},
		"with the history read before the mint": {protocol{readBefore: true, noPending: true}, "applied twice"},
		"with lease and fence in one row":       {protocol{oneRow: true, honestLease: true, wantsHealthy: true}, "healthy"},
	} {
		p := tc.p
		p.replicas, p.terms, p.most = 3, 2, 1
		states, trace, breach := search(p)
		if !strings.Contains(breach, tc.want) || breach == "" {
			t.Errorf("%s: found %q in %d states, want one about %q", name, breach, states, tc.want)
			continue
		}
		t.Logf("%s: %s, after %d moves", name, breach, len(trace))
	}
}
