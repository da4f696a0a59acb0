// Package sqlite keeps schemagate's records in a SQLite file and applies migrations there, with the pure Go driver
// modernc.org/sqlite. The URL is sqlite:PATH; the path is taken as it stands, without options.
//
// Guaranteed: a migration, its event and the check of its term share one transaction. It begins with BEGIN IMMEDIATE, so it
// holds SQLite's one write lock from before the fence is read until the commit: nobody can mint a term in between. Until then
// nothing else ends that transaction: a COMMIT in the text of a migration is vetoed and everything rolled back. Each migration
// starts on a fresh connection with SQLite's defaults (so foreign keys are not enforced unless it says so); only those that
// share one transaction, SCHEMAGATE_TRANSACTION=release, share the connection too. A PRAGMA foreign_key_check fails the
// migration if it reports a row.
//
// The lease is a lock of the operating system on PATH-schemagate (for a service other than "default" PATH-schemagate-SERVICE),
// a small file beside the database that says who holds it. The kernel frees it when the holder ends, however it ends, and
// keeps it for a stopped process; so it has no time to live, and nobody can take it by force. Leave the file where it is: a
// holder whose file was removed or replaced loses the lease at its next renewal.
//
// Not guaranteed: anything on a network file system, which may not lock across hosts; nor between replicas that see the
// database under different folders, as when the file alone is mounted into each container: mount its folder (SQLite's own
// journal needs that as well). A statement that refuses to run inside a transaction (VACUUM, some PRAGMAs) is preceded by a
// check of the fence and a running event, but runs without them: the lease alone protects it.
//
// While a migration writes, readers go on; in SQLite's default journal mode they have to wait during the commit, and from the
// moment a large migration no longer fits into the cache. PRAGMA journal_mode=WAL avoids that. The mode is the user's: this
// package never changes it.
//
// Clock: the host's wall clock stamps events; nothing is decided by it. Waits for SQLite's lock are bounded by the monotonic
// clock of the process.
package sqlite
