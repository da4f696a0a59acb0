// Package script runs MongoDB migrations without Node: the scripts that people wrote for migrate-mongo, as they are, and files of commands in Extended JSON.
//
//	p, err := script.Compile("20240101-rename.js", source)
//	err = p.Run(ctx, "up", db, script.Options{Before: lease.Check, MaxTime: lease.Left})
//
// A script is CommonJS, an ES module or TypeScript (esbuild lowers it, goja runs it). It gets the Node driver's objects in the shape of version 7,
// on top of Go's driver: every call runs to its end when it is made, one after another, and its promise settles in a later turn of the event loop.
//
// Guaranteed:
//   - what a script stores, the Node driver would have stored, types included: 5 is an int32, 5.5 and 2**40 are doubles, 5n is an int64, and an int64 beyond 2^53 stays a Long;
//   - what is not there fails with its name, file and line, and never reads as undefined;
//   - a script ends when its context does, and when Options.Before refuses: no try/catch of the script holds it up;
//   - a call that was not awaited is still run to its end before Run returns, and its failure fails the script;
//   - a script reaches the database, Options.Env and Options.Log, and nothing else: no file, no network, no process.
//
// Not guaranteed:
//   - atomicity, beyond the transactions that a script itself makes. A script that was stopped may have done half its work, and one call in flight may still land:
//     scripts are to be idempotent. Run sends maxTimeMS with every call that takes it, so that the server gives up when the lease has run out;
//   - a bound on memory to the byte: the heap's growth is looked at every 50 ms, and a single native call ("x".repeat(1e9), a sort, a backtracking regular expression)
//     is neither measured nor stopped before it returns;
//   - that two calls made without await between them overlap, as they would in Node.
//
// The clock is this process's monotonic one, for timers, Options.Timeout and Options.MaxTime; a script's Date is its wall clock.
package script
