// Package runner takes one start from the first look to an open gate. It carries out what the election's core asks for:
// looks, campaigns, mints a term, reads the history, plans, applies, records, resigns. It knows databases and electors only
// by their interfaces.
//
// Guaranteed: the gate is reported open only after the database said, in one look, that everything this release's set asks
// for is in force and that nothing of it was rolled back since; a step is started only while elected and only after the
// history was read within one's own term; an outcome that is not known is looked up under a new term and never repeated
// blindly.
//
// A gate opens only for a replica that was on record in the registry before the look that opens it; a contract migration runs
// only after the floor was raised and the registry read again under one's own term; a cutover, only after every replica of an
// older release that the registry knows has acknowledged, or was silent through a full TTL of uninterrupted readings.
//
// Not guaranteed: that a step protected by the lease alone (an external command, a database without transactions) runs only
// once when its leader is paused beyond its trust; such steps end with the lead's context, and must bear repeating.
//
// Clock: the replica's monotonic clock for waiting, backing off, and judging who is silent; nothing that is recorded depends on it but durations.
package runner
