package backfill

import "fmt"

// State is where a backfill stands, as it is recorded.
type State string

// The states.
const (
	Pending   State = "pending"
	Running   State = "running"
	Throttled State = "throttled"
	Paused    State = "paused"
	Done      State = "done"
	Failed    State = "failed"
	Cancelled State = "cancelled"
)

// Event is what happens to a backfill.
type Event string

// The events.
const (
	Start  Event = "start"  // a leader takes it up
	Moved  Event = "moved"  // a batch was committed
	Held   Event = "held"   // a batch was not had: somebody's lock
	Pause  Event = "pause"  // the operator, or the pause file
	Resume Event = "resume" // the operator, of one that nobody works on
	Cancel Event = "cancel" // the operator
	Break  Event = "break"  // a batch failed by its own fault
	Finish Event = "finish" // nothing is left
)

// edge is one allowed change of state.
type edge struct {
	from State
	on   Event
	to   State
}

// edges is the whole of it; what is not here can't happen.
var edges = [...]edge{
	{Pending, Start, Running},      // the first leader to come to it
	{Running, Start, Running},      // its leader died or lost the lead; the successor goes on at the cursor
	{Throttled, Start, Running},    // the same, while it was held up
	{Paused, Start, Running},       // the operator resumed it, or the pause file is gone
	{Failed, Start, Running},       // a new start of a gating one tries again, or a mended file came
	{Cancelled, Start, Running},    // a mended file came
	{Running, Moved, Running},      // the next batch is committed, or the next pass begins
	{Throttled, Moved, Running},    // what held it up let go
	{Running, Held, Throttled},     // a lock was not had in time; a smaller batch is tried later
	{Throttled, Held, Throttled},   // still not
	{Pending, Pause, Paused},       // paused before it began
	{Running, Pause, Paused},       // between two batches
	{Throttled, Pause, Paused},     // instead of trying for the lock again
	{Paused, Pause, Paused},        // for another reason
	{Failed, Pause, Paused},        // the next start leaves it alone
	{Cancelled, Pause, Paused},     // a mended file came, and is paused
	{Pending, Cancel, Cancelled},   // before it began
	{Running, Cancel, Cancelled},   // between two batches; what is done stays done
	{Throttled, Cancel, Cancelled}, // the same, while it was held up
	{Paused, Cancel, Cancelled},    // given up after a pause
	{Failed, Cancel, Cancelled},    // given up after a failure
	{Failed, Resume, Pending},      // the operator has it tried again
	{Cancelled, Resume, Pending},   // the operator thought better of it
	{Pending, Break, Failed},       // its table or key is not as it says
	{Running, Break, Failed},       // the statement itself fails, or leaves rows as they are
	{Throttled, Break, Failed},     // the same, at the first try after a lock
	{Paused, Break, Failed},        // its table went away meanwhile
	{Failed, Break, Failed},        // at the next start, too
	{Running, Finish, Done},        // nothing is left; what comes back after a rollback is a fresh one
	{Throttled, Finish, Done},      // nothing was left behind the lock
}

// Next is the state after an event. What the table does not have is a fault of the program.
func Next(s State, on Event) (State, error) {
	for _, e := range edges {
		if e.from == s && e.on == on {
			return e.to, nil
		}
	}
	return s, fmt.Errorf("backfill: %q in state %q", on, s)
}

// Over says that nobody works on it any more.
func (s State) Over() bool { return s == Done || s == Cancelled }
