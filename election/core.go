package election

import "fmt"

// Phase names what a replica does next; each but the last four is one action.
type Phase uint8

// The phases, in the order in which a start passes through them.
const (
	Look     Phase = iota // ask the database whether my gate may open
	Wait                  // sleep, shortened by notifications, without a connection
	Campaign              // one attempt to be elected
	Mint                  // raise the term by compare-and-set, ending older sessions while that blocks
	Drain                 // end older terms' sessions again, until none is listed
	Read                  // read the history and plan
	Work                  // carry out step Next of the plan
	Pause                 // back off, then read anew what is left
	Complete              // record that everything this set asks for is in force
	Resign                // give the lease back, then go on to After
	Opened                // the end: the schema fits
	Failed                // the end: a person must act
	TimedOut              // the end: waited long enough
	Stopped               // the end: asked to stop
)

var phaseNames = [...]string{"look", "wait", "campaign", "mint", "drain", "read", "work", "pause", "complete", "resign",
	"opened", "failed", "timed out", "stopped"}

func (p Phase) String() string { return phaseNames[p] }

// Ended says that there is nothing more to do.
func (p Phase) Ended() bool { return p >= Opened }

// Kind is what came of an action.
type Kind uint8

// The kinds of event.
const (
	SawOpen     Kind = iota // look, read: the schema is the one this release was built for
	SawLed                  // look: somebody leads
	SawVacant               // look: nobody leads
	Unreachable             // no answer; try again
	Woke                    // wait, pause: over
	Won                     // campaign
	Held                    // campaign: somebody else has it
	Minted                  // mint: Event.Term is mine
	Planned                 // read: Event.Steps steps are left
	Done                    // drain, work, complete, resign
	Blocked                 // mint, drain: sessions of older terms still stand; work: a lock was not had
	Interrupted             // ended from outside, nothing kept
	Unknown                 // the outcome is not known
	Fenced                  // another term or holder has taken over
	Broke                   // a person must act: a step failed, the set does not fit, access is denied
	Expired                 // the time to wait is over
	Stop                    // asked to stop
)

var kindNames = [...]string{"open", "led", "vacant", "unreachable", "woke", "won", "held", "minted", "planned",
	"done", "blocked", "interrupted", "unknown", "fenced", "broke", "expired", "stop"}

func (k Kind) String() string { return kindNames[k] }

// Event is what came of the action that State asked for.
type Event struct {
	Kind  Kind
	Term  int64 // looks: the term seen; Minted: the term that is mine
	Steps int   // Planned
	// Led: this replica's lead was alive when the action ended. Without it nothing new is started.
	Led bool
}

// State is all that the core remembers.
type State struct {
	Phase     Phase
	Candidate bool // false: only ever waits
	// Seen is the term to mint from. It is taken before the campaign, so that a winner who was paused in between loses
	// the compare-and-set against whoever led meanwhile.
	Seen int64
	// Term is the term that is mine; 0 while not leading.
	Term  int64
	Steps int
	Next  int
	// Tries counts attempts without progress, for backing off.
	Tries int
	After Phase // Resign: where to go from there
}

// Start is the state of a replica that has just started.
func Start(candidate bool) State { return State{Phase: Look, Candidate: candidate} }

// Next is the election's core: the state after an event. It panics on an event that the phase can't produce, because that
// is a fault of the program and never of the world.
func Next(s State, e Event) State {
	switch e.Kind {
	case Expired:
		return leave(s, TimedOut)
	case Stop:
		return leave(s, Stopped)
	case Broke:
		return leave(s, Failed)
	case Fenced:
		return leave(s, Look)
	}
	switch s.Phase {
	case Look:
		return look(s, e)
	case Wait:
		if e.Kind == Woke {
			return to(s, Look)
		}
	case Campaign:
		switch e.Kind {
		case Won:
			s.Tries = 0
			return to(s, Mint)
		case Held, Unreachable:
			return again(s, Wait)
		}
	case Mint:
		if e.Kind == Minted {
			s.Term, s.Seen, s.Tries = e.Term, e.Term, 0
			return leading(s, e, Drain)
		}
		return retry(s, e)
	case Drain:
		if e.Kind == Done {
			s.Tries = 0
			return leading(s, e, Read)
		}
		return retry(s, e)
	case Read:
		switch e.Kind {
		case Planned:
			s.Steps, s.Next = e.Steps, 0 // Tries stay: a lock that is not had backs off for longer each time
			return leading(s, e, workOrComplete(s))
		case SawOpen: // the set was completed between the look and the lead
			return leave(s, Opened)
		}
		return retry(s, e)
	case Work, Complete:
		return work(s, e)
	case Pause:
		if e.Kind == Woke { // part of a step outside a transaction may be done: what is left is read anew
			return leading(s, e, Read)
		}
	case Resign:
		s.Term = 0
		return to(s, s.After)
	}
	panic(fmt.Sprintf("election: %v in phase %v", e.Kind, s.Phase))
}

func look(s State, e Event) State {
	switch e.Kind {
	case SawOpen:
		return to(s, Opened)
	case Unreachable:
		return again(s, Wait)
	case SawLed, SawVacant:
		s.Seen = e.Term
		if e.Kind == SawVacant && s.Candidate {
			return to(s, Campaign)
		}
		s.Tries = 0
		return to(s, Wait)
	}
	panic(fmt.Sprintf("election: %v in phase %v", e.Kind, s.Phase))
}

func work(s State, e Event) State {
	switch e.Kind {
	case Done:
		s.Tries = 0
		if s.Phase == Complete {
			return leave(s, Opened)
		}
		s.Next++
		return leading(s, e, workOrComplete(s))
	case Blocked:
		if s.Phase == Work {
			s.Tries++
			return leading(s, e, Pause)
		}
		return retry(s, e)
	case Interrupted, Unknown, Unreachable:
		// From one's own term, and only while still elected: the new term ends the session whose fate is unknown, and one
		// read of the history then tells.
		s.Tries++
		return leading(s, e, Mint)
	}
	panic(fmt.Sprintf("election: %v in phase %v", e.Kind, s.Phase))
}

// retry stays in the phase while the lead lives.
func retry(s State, e Event) State {
	switch e.Kind {
	case Blocked, Unknown, Unreachable, Interrupted:
		if !e.Led {
			return leave(s, Look)
		}
		if e.Kind == Unknown && s.Phase != Mint {
			return again(s, Mint)
		}
		return again(s, s.Phase)
	}
	panic(fmt.Sprintf("election: %v in phase %v", e.Kind, s.Phase))
}

func workOrComplete(s State) Phase {
	if s.Next < s.Steps {
		return Work
	}
	return Complete
}

// leading goes on only while elected; what is fenced and under way was allowed to end, but nothing new is started.
func leading(s State, e Event, p Phase) State {
	if !e.Led {
		return leave(s, Look)
	}
	return to(s, p)
}

// leave gives the lease back, if there is one, and goes on to p.
func leave(s State, p Phase) State {
	switch s.Phase {
	case Look, Wait, Campaign:
		return to(s, p)
	}
	s.After = p
	return to(s, Resign)
}

func again(s State, p Phase) State {
	s.Tries++
	return to(s, p)
}

func to(s State, p Phase) State {
	s.Phase = p
	return s
}
