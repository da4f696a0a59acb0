// Package migrations reads a release's set of migrations: a folder of files as people already have them becomes an ordered
// [Set] of parsed, checksummed migrations, or an error that names every problem of the folder by file and line.
//
// # Guaranteed
//
//   - Nothing is guessed: a missing or empty folder, a file whose name no format knows, a file that looks like two formats,
//     a folder that mixes formats, an unknown directive, a quote or comment that is never closed are errors, all of them
//     reported at once, each matched by [ErrSet].
//   - The whole set is parsed before the first statement of it can run.
//   - Every statement of a script is sent as it stands in the file, comments included. What separates statements is found with
//     the dialect's own rules in one pass, in time linear in the text.
//   - A script that runs in a transaction holds no transaction control but savepoints. One BEGIN ... COMMIT around the whole of
//     it is unwrapped; its checksum is still over the text as written.
//   - Checksums don't depend on the line endings or the byte order mark that an editor or git chose.
//
// # Not guaranteed
//
//   - That the statements are valid, or that they may run in a transaction: only the server knows.
//   - That text inside a function body, a DO block or a called procedure doesn't control transactions.
//   - MySQL compound statements without DELIMITER are recognised by their shape. One that uses BEGIN, END, IF or LOOP as names
//     may be refused as never closed (never cut in the middle without a word); DELIMITER around it always helps.
//
// The package reads no clock, no environment and no network, and starts no goroutine.
package migrations
