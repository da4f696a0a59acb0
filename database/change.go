package database

import (
	"fmt"
	"time"
)

// Due decides, under the fence, whether the change is still to be made, given whether its version is in force.
func (c Change) Due(inForce bool) error {
	if inForce != c.Undo && !c.Repeat {
		return fmt.Errorf("%s: %w", c.Version, ErrNotPending)
	}
	return nil
}

// Outcome is what the history says of a change that took effect.
func (c Change) Outcome(took time.Duration) []Event {
	e := Event{Kind: Applied, Version: c.Version, Name: c.Name, Checksum: c.Checksum, Format: c.Format, Down: c.Down, Duration: took}
	if !c.Undo {
		return []Event{e}
	}
	e.Kind, e.Down = RolledBack, nil
	if !c.Hold {
		return []Event{e}
	}
	hold := e
	hold.Kind, hold.Duration = Hold, 0
	return []Event{e, hold}
}

// Last is the index of the last thing to do, where it is done one by one: a verify comes behind the statements.
func (c Change) Last() int {
	if len(c.Verify) > 0 {
		return len(c.Statements)
	}
	return len(c.Statements) - 1
}

// After is what is recorded once that thing i is done: how far it came, or that all of it is in force.
func (c Change) After(i int, took time.Duration) []Event {
	if i >= c.Last() {
		return c.Outcome(took)
	}
	return []Event{c.Progress(i+1, 0)}
}

// Progress says that done statements are done, and that trying (1-based, 0 for none) may have run besides.
func (c Change) Progress(done, trying int) Event {
	return Event{Kind: Running, Version: c.Version, Name: c.Name, Checksum: c.Checksum,
		Done: done, Trying: trying, Prefix: Prefix(c.Statements[:done])}
}
