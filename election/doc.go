// Package election decides who tries. Its core, Next, is a pure function of state and event: it names the one thing that a
// replica does next, and everything that could go wrong comes back as an event. The runner carries the actions out; the
// simulation and the state-space search drive the same function against a modelled world.
//
//	            open                                   ┌──────────────── blocked ───────────────┐
//	Look ──────────────────────────► Opened            ▼                                        │
//	 │ ▲ ▲                                     ┌──► Work(i) ── done ──► … ──► Complete      Pause
//	 │ │ └── Wait ◄── held ── Campaign         │       │                          │
//	 │ │         ▲                 │ won       │       ├── unknown,               │ done
//	 │ └─────────┼── lost, fenced ─┼───────────┼───────┤   interrupted            ▼
//	 └── vacant ─┴─► Campaign      ▼           │       └──► Mint (own term)    Resign ──► Opened
//	                              Mint ──► Drain ──► Read
//
// Guaranteed: progress, as long as one candidate lives and the database answers. A leader mints its term before it reads
// the history, ends the sessions of older terms before and after, and reads only then.
//
// Not guaranteed: that only one replica believes it leads. A Lead is a lease, judged on the holder's own monotonic clock
// from before each request was sent; a paused process can outlive it. What makes that harmless is the fence in the database
// that is being migrated (package database).
//
// Clock: CLOCK_MONOTONIC of the replica for its own trust, the store's clock for expiry. Only their rates are compared;
// a tenth of the TTL is kept as margin, so rates may differ by up to ten per cent.
package election
