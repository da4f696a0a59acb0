// Package backfill moves data in batches: which state follows which, how large the next batch is, what holds it up, how long
// it still takes. It asks a database.Batcher for each batch and keeps nothing that the database does not hold as well, so that
// whoever leads next goes on where the last batch was committed.
//
// Guaranteed: the states change only along the edges of one table (state.go); the operator's word and the pause file are obeyed
// between batches; memory is bounded by one batch's keys, whatever the size of the table; where what is left can be counted,
// a backfill is done only when the count says 0.
//
// Not guaranteed: that a row which some client writes in the old shape after that count is changed; only code that writes the
// new shape sees to that. Exactness after a crash is the adapter's: see database.Batcher.
//
// Clock: the monotonic one of the process, for durations and rates.
package backfill
