// Package database says what schemagate needs of a database, in terms that every adapter below it shares: terms and the
// fence that guards them, the append-only history, the look that a follower takes, and the session that a leader writes with.
//
// Guaranteed by every adapter that calls itself fenced: a write of ours commits only while the fence row names the writer's
// own term and holder, because the row is locked and compared inside the very transaction that writes. A leader that was
// paused, cut off or wrongly believes it leads can therefore lose time, but can't apply a migration a second time.
//
// Not guaranteed: that only one replica believes it leads (see package election), nor anything about statements that a
// database runs outside of transactions; each adapter's own documentation says what protects those.
//
// Clock: the database's own, wherever a moment is stored or a lease is judged. No replica's wall clock decides anything.
package database
