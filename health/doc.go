// Package health is what the app, the load balancers and people see of one
// replica: the gate's state, the HTTP endpoints that tell it, metrics, and a
// page.
//
// A [Gate] holds a [Status] in memory. Whoever learns something (the runner, a
// [Prober]) writes it there; a [Server] answers from there.
//
//	runner ──Update──▶ ┌──────┐ ◀──SetApp── Prober ──▶ the app
//	                   │ Gate │
//	 Changed, Ready ◀──└──┬───┘──▶ Server: /livez /readyz /healthz /startupz
//	                      │                /status /migrations/V /metrics / /wake
//	                      └─ Drain: for good                                  ▲
//	                                                  followers, with Await ──┘
//
// # What it guarantees
//
//   - Ready means: the state is open, the app answers (where a Prober asks it),
//     and Drain was not called. The answer of /readyz and that of Ready are one
//     snapshot; no request sees half of an Update.
//   - No endpoint touches the database or the app. A probe costs two loads from
//     memory, however many migrations the status lists.
//   - /livez is 200 while the process can answer at all. It knows no lease and no
//     database, so nobody kills a leader in the middle of a migration for them.
//   - /startupz, once 200, stays 200. /readyz, once draining, stays 503.
//   - A token is compared in constant time. Without it nothing but the probes and /wake
//     is answered, however a request is spelt; one with a body is its connection's last.
//   - Connections that send nothing, or send slowly, or do not read, are ended; the
//     oldest silent one makes way for a new one, so probes get through.
//   - Serve returns after every handler has returned.
//   - Of those who wait at /wake?turn, eight at most are told at a time that it is
//     their turn to look: the next one when one of them hangs up.
//
// # What it does not guarantee
//
//   - That the status is true: it is what was last written. The database's
//     reachability is a field of its own and never closes the gate.
//   - That a waiter of /wake hears of the end of a round: the answer, a broken
//     connection and a refusal alike mean no more than "look now". Its rank counts
//     the waiters of the moment; two waiters may come by the same one over time.
//   - That a waiter which takes longer than a second to look looks in its turn: the
//     next one's begins then, so that one that hangs does not stop the others.
//   - Secrecy: there is no TLS here, and without [Options].Token everybody who
//     reaches the port may read the status. It holds no secrets and no row data
//     because its writers put none there; texts are passed on as they are.
//
// # Clock
//
// Since, and the like, are this process's wall clock, for people; nothing is
// decided by them. Timeouts run on the monotonic clock.
package health
