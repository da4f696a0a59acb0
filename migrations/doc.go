// Package migrations reads a release's set of migrations: a folder of files as people already have them becomes an ordered
// [Set] of parsed, checksummed migrations, or an error that names every problem of the folder by file and line.
//
// # Guaranteed
//
//   - Nothing is guessed: a missing or empty folder, a file whose name no format knows, a file that looks like two formats,
//     a folder that mixes formats, an unknown directive, a quote or comment that is never closed are errors, all of them
//     reported at once, each matched by [ErrSet].
//
//   - The whole set is parsed before the first statement of it can run.
//
//   - Every statement of a script is sent as it stands in the file, comments included. What separates statements is found with
//     the dialect's own rules in one pass, in time linear in the text.
//
//   - A script that runs in a transaction holds no transaction control but savepoints. One BEGIN ... COMMIT around the whole of
//     it is unwrapped; its checksum is still over the text as written.
//
//   - Checksums don't depend on the line endings or the byte order mark that an editor or git chose.
//
//   - What a format can say and this package can't keep (templates, environment variables, preconditions, callbacks, Go or Java
//     code) is refused by name with file and line, never left out. Comments of tools that are not known here but would divide a
//     file into two directions (sql-migrate, Rambler, MyBatis) are refused, too.
//
// # Formats
//
// One per folder, recognised per file by its comments, else by its name. A file without comments goes with its neighbours where
// tern or UP/DOWN comments may be left out.
//
//   - native: 0001_name.up.sql, .down.sql and sqlx's 0001_name.sql; .up.json and .down.json for MongoDB. A direction is a file.
//     [Skim] finds the digest of such a set without parsing it.
//   - goose, dbmate, tern, UP/DOWN comments: a file holds both directions. Blank lines at the end of the way up don't count, so a
//     way back added later leaves the checksum alone.
//   - Flyway: V, U and R files, in folders below as well. Underscores in a version become dots. A repeatable migration's version
//     is R__name, which sorts behind all numbers. Scripts are taken with their placeholders expanded; the checksum of a versioned
//     one is over the file as written, that of a repeatable one over what it expands to, as Flyway has it.
//   - Liquibase formatted SQL: a migration per changeset, whose version is path::id::author. The order is that of the files'
//     names and of the changesets in them; changesets for other databases (dbms) are left out.
//   - migrate-mongo: a script is one text for both directions. That it has a way back is told from the word down in its code.
//
// A way back without a statement is none. A way up without one does nothing, if a comment says why; in which nobody wrote a word
// is an error, and so is what [Native] wrote and nobody filled in.
//
// # Directives
//
// Comments at the head of a direction, before its first statement, as -- schemagate: NAME ..., several on a line or on several
// lines: no-transaction, idempotent, phase=, after=, lock_timeout=, statement_timeout=; and, taking the rest of their line,
// verify=QUERY and backfill table=... key=... (see [Backfill]). Anywhere else they are errors, but for lint-ignore RULE REASON: at
// the head it holds for the script, further down for the statement that it stands before.
//
// A script whose every statement is one that PostgreSQL (or SQLite) refuses inside a transaction, like CREATE INDEX
// CONCURRENTLY, needs no directive: it runs without one. Mixed with others, such a statement is an error.
//
// # Ways back
//
// The Text of a Script in Migration.Down is enough for [ParseDown] to read it again, by another release, without the file: where
// only the file said no-transaction, the text starts with that directive, and placeholders are expanded (so a placeholder used in
// a way back must not be a secret: the history keeps the text).
//
// # Not guaranteed
//
//   - That the statements are valid, or that they may run in a transaction: only the server knows.
//   - That a script for MongoDB can be run: nothing executes it here.
//   - That text inside a function body, a DO block or a called procedure doesn't control transactions.
//   - MySQL compound statements without DELIMITER are recognised by their shape. One that uses BEGIN, END, IF or LOOP as names
//     may be refused as never closed (never cut in the middle without a word); DELIMITER around it always helps.
//
// The package reads no clock, no environment and no network, and starts no goroutine that outlives a call.
package migrations
