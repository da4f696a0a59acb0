// Package process starts and ends the processes that schemagate is responsible for: the app under `schemagate run`, and the
// commands that migrate, back up or check.
//
// # One owner of wait4
//
// A [Reaper] is the only one in this process who collects the status of a child. It forks under the same lock under which it
// collects, so a child that dies at once is known before its status is taken, and no status has two takers. Opened with Adopt
// it also owns orphans: as PID 1 the kernel hands them to us, as any other PID it makes us a child subreaper. Then wait4 asks
// for any child, and nothing else in this process may start one (os/exec, os.StartProcess, os.FindProcess: their Wait would
// find the status gone). Without Adopt it asks only for the children that it started, and os/exec may be used beside it.
// There is one Reaper per process at a time.
//
// # Guaranteed
//
//   - [Child.Wait] reports what the kernel reported: the exit code, or 128+n for signal n. A command that isn't there is
//     [ErrNotFound] (127), one that can't be executed [ErrNotExecutable] (126), each with what to do about it.
//   - With Adopt, no zombie stays: whoever dies as our child is collected at once, and once more in [Reaper.Close].
//   - Every child leads its own process group, or shares one with its guard; a group signal never reaches schemagate itself.
//   - No signal is sent to a number that has come to belong to someone else: a child is signalled under the lock that collects
//     it, a descendant only if its start time is still the one that was seen.
//   - [Child.KillGroup] returns nil only when none is left (see there whom it finds).
//   - Every goroutine ends before Close returns.
//
// # When schemagate itself is killed
//
// As PID 1 of a container nothing needs to be done: the kernel kills all others of the PID namespace. As another PID:
//
//   - Spec.ParentDeathSignal makes the kernel signal the child. The kernel ties this to the thread that forked, so one thread
//     forks them all and lives as long as the Reaper. It covers the direct child only, never what that child started (`sh -c`,
//     npx), and is dropped when the child changes its credentials or executes a file with set-user-ID, set-group-ID or
//     capabilities.
//   - Spec.Guard covers the descendants too, on Linux: a second, tiny process in the command's group notices our death by
//     the end of a pipe, and signals the group and everything that carries the command's mark, then kills it two seconds later.
//     The mark is an inherited environment variable, so a daemon that left group and session is found as well. Not covered: a
//     descendant that has left the group and also cleared or overwrote its environment, or runs as a user whom we may not
//     signal; and a guard that was killed together with us (the direct child still gets ParentDeathSignal). This takes a
//     moment, within which a successor may already have been elected: only the lease's TTL keeps the two apart.
//
// # Not guaranteed
//
//   - Standard signals are not queued by the kernel: two of one kind sent in quick succession may arrive as one, and of several
//     kinds that are pending together the lower number comes first. What arrives is forwarded in the order of its arrival.
//   - SIGKILL, SIGSTOP, SIGPROF and signals 32 to 34 (kept by the Go runtime and the C libraries) can't be caught, so they are
//     not forwarded.
//   - A process in an uninterruptible wait survives SIGKILL until that ends; KillGroup names it and gives up after five seconds.
//   - Outside of Linux there is no subreaper, no parent death signal and no guard, and KillGroup knows the group only.
//
// # Clock
//
// Drain and grace are measured on the monotonic clock, which stands still while the machine is suspended.
package process
