// Package prove tries a set out on a scratch database that it makes and drops: every migration up, down and up again, and the schema
// looked at after each step.
//
// What is proved of a set that passes: every migration runs on what those before it left, its fixture's rows included; its check
// holds after it; running it twice changes nothing, where it says that it is idempotent; its way back restores the schema as it was
// before; and going up once more ends at the same schema. A migration without a way back is passed forward over: those before it
// are tried down and up again first, and the second way up begins on an empty scratch database.
//
// The order is that of an empty production database: what gates the release, then the contract migrations.
//
// Not proved: that a way back restores data; that two migrations can be told apart by a schema in which they leave the same;
// anything about the load and the locks of a busy database (see lint), nor about objects that the catalogue's description leaves
// out: the order of columns, operator classes, large objects, and whatever lies outside of the database (roles, tablespaces).
//
// Clock: durations are measured on the monotonic clock; the wall clock of this host names scratch databases, and tells leftovers of
// a crash, older than a day, from what is at work.
package prove
