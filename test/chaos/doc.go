// Package chaos runs schemagate's own binary against real servers and breaks things at exact points: processes are killed and
// stopped, connections delayed, cut and swallowed, PostgreSQL and Consul restarted, in the middle of everything a leader does.
//
// Every replica reaches its database through a proxy of its own, which reads what passes. A fault point is the text of a
// message; there the proxy holds the message, the fault is delivered, and the message goes on, is lost, or arrives late. So the
// binary needs no hooks, and a point was either hit, in that state, or the seed does not count.
//
// Shown: every migration takes effect once, nothing is written under another term than the fence's, nobody's gate opens early, and once the
// faults are over the replicas that are left finish, without leaving an invalid index.
//
// Not shown: what a power cut does, or a partition below TCP (the proxy ends connections, and loses no packets).
//
// Clock: none decides; timeouts only end a test that hangs.
package chaos
