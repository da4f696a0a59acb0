// Package mongodb keeps schemagate's records in MongoDB and runs migrate-mongo scripts and command files there.
//
// Everything that must exclude somebody is an insert with a unique _id, the one thing that every server of this protocol does
// atomically: a term, a lease and an event each claim the next number. Whoever comes second gets the duplicate key, looks
// whose document it is, and has lost only if it is not his own.
//
// Guaranteed: a term and an event's number have one writer; a lease has one holder at a time by the server's clock; a script's
// calls are made only while the leader trusts its lease on its own monotonic clock, each with what is left of it as maxTimeMS,
// and a successor waits the whole TTL, whatever it suspects.
//
// Not guaranteed: that a script and its event are one. Without transactions one call that is in flight may still land when its
// leader is replaced, so a script is called safe only if it is idempotent; one that was killed half-way is run again only if
// its author says so, else a person decides (schemagate resolve). What a script wraps in a transaction of its own is atomic
// where the server has transactions.
//
// Clock: the server's (hello's localTime, $currentDate) for leases and events; the leader's monotonic clock for its trust.
package mongodb
