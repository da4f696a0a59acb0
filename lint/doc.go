// Package lint reads migrations and warns of what blocks a busy table or breaks the release that still runs, each with the lock
// that it takes, what that blocks, and how to write it so that nobody waits.
//
// # Guaranteed
//
//   - What a finding says about locks and rewrites on PostgreSQL was seen on a real one: the package's tests run every bad and
//     every safe example and compare with pg_locks and with the table's file.
//
//   - Nothing is silenced without a reason, and a directive that names no rule is an error.
//
//   - The statements are read by the rules that they are split with before they run (package migrations).
//
// # What it goes by
//
// The text of the set alone, from its first migration on: which tables, columns, checks, domains and indexes there are, as the
// migrations made them. A table that the same file has made is not busy. Where a type or a function is unknown, the worse is
// assumed.
//
// # Not guaranteed
//
//   - That what is not warned of is harmless: text inside of functions, procedures and DO blocks is not read, tables have sizes
//     that no file tells, and any statement waits behind a long transaction (SCHEMAGATE_LOCK_TIMEOUT bounds that).
//
//   - That statements are valid: only the server knows.
//
//   - What files do to each other in one transaction (SCHEMAGATE_TRANSACTION=release): each is judged by itself.
//
//   - Anything about MongoDB's scripts but that they have a way back.
//
// It reads no clock, no environment and no network.
package lint
