package election_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/schemagate/schemagate/election"
)

var (
	phases = []election.Phase{election.Look, election.Wait, election.Campaign, election.Mint, election.Drain, election.Read, election.Work,
		election.Pause, election.Complete, election.Resign, election.Opened, election.Failed, election.TimedOut, election.Stopped}
	kinds = []election.Kind{election.SawOpen, election.SawLed, election.SawVacant, election.Unreachable, election.Woke, election.Won,
		election.Held, election.Minted, election.Planned, election.Done, election.Blocked, election.Interrupted, election.Unknown,
		election.Fenced, election.Broke, election.Expired, election.Stop}
)

// lost is where a leader goes whose lead is not alive when an action ends.
const lost = "resign, then look"

// table holds, by phase and event, what comes next while the lead lives, and after a slash without it where that differs. What is
// not here panics. The work is at the first of two steps.
var table = map[election.Phase]map[election.Kind]string{
	election.Look: {
		election.SawOpen:     "opened",
		election.SawLed:      "wait",
		election.SawVacant:   "campaign",
		election.Unreachable: "wait",
		election.Fenced:      "look",
		election.Broke:       "failed",
		election.Expired:     "timed out",
		election.Stop:        "stopped",
	},
	election.Wait: {
		election.Woke:    "look",
		election.Fenced:  "look",
		election.Broke:   "failed",
		election.Expired: "timed out",
		election.Stop:    "stopped",
	},
	election.Campaign: {
		election.Won:         "mint",
		election.Held:        "wait",
		election.Unreachable: "wait",
		election.Fenced:      "look",
		election.Broke:       "failed",
		election.Expired:     "timed out",
		election.Stop:        "stopped",
	},
	election.Mint: leads(map[election.Kind]string{
		election.Minted:      "drain/" + lost,
		election.Blocked:     "mint/" + lost,
		election.Unreachable: "mint/" + lost,
		election.Interrupted: "mint/" + lost,
		election.Unknown:     "mint/" + lost,
	}),
	election.Drain: leads(map[election.Kind]string{
		election.Done:        "read/" + lost,
		election.Blocked:     "drain/" + lost,
		election.Unreachable: "drain/" + lost,
		election.Interrupted: "drain/" + lost,
		election.Unknown:     "mint/" + lost,
	}),
	election.Read: leads(map[election.Kind]string{
		election.Planned:     "work/" + lost,
		election.SawOpen:     "resign, then opened",
		election.Blocked:     "read/" + lost,
		election.Unreachable: "read/" + lost,
		election.Interrupted: "read/" + lost,
		election.Unknown:     "mint/" + lost,
	}),
	election.Work: leads(map[election.Kind]string{
		election.Done:        "work/" + lost,
		election.Blocked:     "pause/" + lost,
		election.Unreachable: "mint/" + lost,
		election.Interrupted: "mint/" + lost,
		election.Unknown:     "mint/" + lost,
	}),
	election.Pause: leads(map[election.Kind]string{
		election.Woke: "read/" + lost,
	}),
	election.Complete: leads(map[election.Kind]string{
		election.Done:        "resign, then opened", // it is in force, whoever leads
		election.Blocked:     "complete/" + lost,
		election.Unreachable: "mint/" + lost,
		election.Interrupted: "mint/" + lost,
		election.Unknown:     "mint/" + lost,
	}),
	election.Resign: resigns(),
	// The ends: nothing is left that an event could come of.
	election.Opened: {}, election.Failed: {}, election.TimedOut: {}, election.Stopped: {},
}

// leads adds the events that end a lead.
func leads(m map[election.Kind]string) map[election.Kind]string {
	m[election.Fenced] = lost
	m[election.Broke] = "resign, then failed"
	m[election.Expired] = "resign, then timed out"
	m[election.Stop] = "resign, then stopped"
	return m
}

// resigns: whatever came of giving the lease back, expiry is the backstop.
func resigns() map[election.Kind]string {
	m := map[election.Kind]string{}
	for _, k := range kinds {
		m[k] = "opened"
	}
	return leads(m)
}

// state is a state in which the phase can be.
func state(p election.Phase) election.State {
	s := election.State{Phase: p, Candidate: true, Seen: 6, Steps: 2, Tries: 3}
	switch p {
	case election.Look, election.Wait, election.Campaign:
	case election.Mint:
	case election.Resign:
		s.Term, s.After = 7, election.Opened
	case election.Complete:
		s.Term, s.Next = 7, 2
	default:
		s.Term = 7
	}
	return s
}

// next describes what comes of an event, "" where it panics.
func next(s election.State, e election.Event) (out election.State, text string) {
	defer func() {
		if v := recover(); v != nil {
			if want := fmt.Sprintf("election: %v in phase %v", e.Kind, s.Phase); v != want {
				panic(v)
			}
			out, text = s, ""
		}
	}()
	out = election.Next(s, e)
	return out, describe(out)
}

func describe(s election.State) string {
	if s.Phase == election.Resign {
		return "resign, then " + s.After.String()
	}
	return s.Phase.String()
}

func TestNext(t *testing.T) {
	for _, p := range phases {
		for _, k := range kinds {
			// Expired, stop, broken, fenced are answered whatever the phase; no runner has them after the end.
			if _, always := table[election.Wait][k]; p.Ended() && always && k != election.Woke {
				continue
			}
			alive, without, differs := strings.Cut(table[p][k], "/")
			if !differs {
				without = alive
			}
			for led, want := range map[bool]string{true: alive, false: without} {
				s, got := next(state(p), election.Event{Kind: k, Led: led, Term: 7, Steps: 2})
				if got != want {
					t.Errorf("%v in phase %v, led %v: %q, want %q (empty: it panics)", k, p, led, got, want)
				}
				if p == election.Resign && s.Phase != election.Resign && s.Term != 0 {
					t.Errorf("%v in phase %v keeps term %d", k, p, s.Term)
				}
			}
		}
	}
}

func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range phases {
		seen["phase "+p.String()] = true
	}
	for _, k := range kinds {
		seen["kind "+k.String()] = true
	}
	if len(seen) != len(phases)+len(kinds) {
		t.Errorf("names are not unique: %v", seen)
	}
}

// TestScripts follows whole starts: events on the left, where each leads on the right.
func TestScripts(t *testing.T) {
	led := func(k election.Kind) election.Event { return election.Event{Kind: k, Led: true} }
	not := func(k election.Kind) election.Event { return election.Event{Kind: k} }
	seen := func(k election.Kind, term int64) election.Event { return election.Event{Kind: k, Term: term} }
	minted := func(term int64) election.Event { return election.Event{Kind: election.Minted, Term: term, Led: true} }
	planned := func(steps int) election.Event {
		return election.Event{Kind: election.Planned, Steps: steps, Led: true}
	}
	type line struct {
		e    election.Event
		want string
		// Checked where not zero.
		seen, term int64
		next       int
		tries      int
	}
	elected := []line{
		{e: seen(election.SawVacant, 4), want: "campaign", seen: 4},
		{e: not(election.Won), want: "mint", seen: 4},
		{e: minted(5), want: "drain", term: 5, seen: 5},
		{e: led(election.Done), want: "read", term: 5},
	}
	for name, c := range map[string]struct {
		waiter bool
		lines  []line
	}{
		"the schema fits": {lines: []line{{e: not(election.SawOpen), want: "opened"}}},
		"the leader's way": {lines: append(elected[:len(elected):len(elected)],
			line{e: planned(2), want: "work", term: 5},
			line{e: led(election.Done), want: "work", next: 1},
			line{e: led(election.Done), want: "complete", next: 2},
			line{e: led(election.Done), want: "resign, then opened", term: 5},
			line{e: not(election.Done), want: "opened"},
		)},
		"nothing to do": {lines: append(elected[:len(elected):len(elected)],
			line{e: planned(0), want: "complete"},
			line{e: led(election.Done), want: "resign, then opened"},
		)},
		"another has done it": {lines: append(elected[:len(elected):len(elected)],
			line{e: led(election.SawOpen), want: "resign, then opened"},
		)},
		"a lock is not had, twice": {lines: append(elected[:len(elected):len(elected)],
			line{e: planned(2), want: "work"},
			line{e: led(election.Blocked), want: "pause", tries: 1},
			line{e: led(election.Woke), want: "read"}, // part of the step may be done: what is left is read anew
			line{e: planned(2), want: "work"},
			line{e: led(election.Blocked), want: "pause", tries: 2}, // backing off further
			line{e: led(election.Woke), want: "read"},
			line{e: planned(2), want: "work"},
			line{e: led(election.Done), want: "work", next: 1},
			line{e: led(election.Blocked), want: "pause", tries: 1, next: 1}, // and afresh with the next step
		)},
		"outcome unknown": {lines: append(elected[:len(elected):len(elected)],
			line{e: planned(2), want: "work"},
			line{e: led(election.Unknown), want: "mint", seen: 5, tries: 1}, // from one's own term
			line{e: minted(6), want: "drain", term: 6, seen: 6},
			line{e: led(election.Done), want: "read"},
			line{e: planned(1), want: "work"}, // counted from the start again
			line{e: led(election.Done), want: "complete", next: 1},
		)},
		"outcome unknown and the lead lost": {lines: append(elected[:len(elected):len(elected)],
			line{e: planned(2), want: "work"},
			line{e: not(election.Unknown), want: lost},
			line{e: not(election.Done), want: "look"},
			line{e: seen(election.SawLed, 6), want: "wait", seen: 6},
		)},
		"fenced": {lines: append(elected[:len(elected):len(elected)],
			line{e: planned(1), want: "work"},
			line{e: led(election.Fenced), want: lost},
			line{e: not(election.Done), want: "look"},
		)},
		"what is under way may end, nothing new is started": {lines: append(elected[:len(elected):len(elected)],
			line{e: planned(1), want: "work"},
			line{e: not(election.Done), want: lost},
		)},
		"a winner who was paused mints from what it saw": {lines: []line{
			{e: seen(election.SawVacant, 4), want: "campaign", seen: 4},
			{e: election.Event{Kind: election.Won, Term: 9}, want: "mint", seen: 4},
			{e: led(election.Blocked), want: "mint", seen: 4, tries: 1},
			{e: led(election.Unknown), want: "mint", seen: 4, tries: 2},
			{e: led(election.Fenced), want: lost},
		}},
		"a follower": {lines: []line{
			{e: seen(election.SawLed, 4), want: "wait"},
			{e: not(election.Woke), want: "look"},
			{e: seen(election.SawVacant, 4), want: "campaign"},
			{e: not(election.Held), want: "wait", tries: 1},
			{e: not(election.Woke), want: "look"},
			{e: not(election.SawOpen), want: "opened"},
		}},
		"the database is away": {lines: []line{
			{e: not(election.Unreachable), want: "wait", tries: 1},
			{e: not(election.Woke), want: "look"},
			{e: not(election.Unreachable), want: "wait", tries: 2},
			{e: not(election.Woke), want: "look"},
			{e: not(election.Expired), want: "timed out"},
		}},
		"one who only waits": {waiter: true, lines: []line{
			{e: seen(election.SawVacant, 4), want: "wait"},
			{e: not(election.Woke), want: "look"},
			{e: not(election.Stop), want: "stopped"},
		}},
		"asked to stop while leading": {lines: append(elected[:len(elected):len(elected)],
			line{e: planned(1), want: "work"},
			line{e: led(election.Stop), want: "resign, then stopped"},
			line{e: not(election.Done), want: "stopped"},
		)},
	} {
		t.Run(name, func(t *testing.T) {
			s := election.Start(!c.waiter)
			for i, l := range c.lines {
				s = election.Next(s, l.e)
				if got := describe(s); got != l.want {
					t.Fatalf("line %d, %v: %q, want %q", i, l.e.Kind, got, l.want)
				}
				if l.seen != 0 && s.Seen != l.seen || l.term != 0 && s.Term != l.term || l.next != 0 && s.Next != l.next ||
					l.tries != 0 && s.Tries != l.tries {
					t.Fatalf("line %d, %v: %+v, want %+v", i, l.e.Kind, s, l)
				}
			}
		})
	}
}
