// Package chaos runs schemagate's own binary against real servers and breaks things at exact points: processes are killed and
// stopped, connections delayed, cut and swallowed, packets lost, disks filled, PostgreSQL and Consul restarted, in the middle of
// everything a leader does.
//
// Every replica reaches its database through a proxy of its own, which reads what passes. A fault point is the text of a
// message; there the proxy holds the message, the fault is delivered, and the message goes on, is lost, or arrives late. So the
// binary needs no hooks, and a point was either hit, in that state, or the seed does not count. Nor does it where the fault did not
// take: packets have to be lost and counted, a full disk has to be met by the server, an index to be under construction.
//
// Packets are lost in network namespaces of the test's own: the replica in the one, its proxies in the other, a cable between them.
// It is cut off for a while, or until it is killed, as a machine that loses its power: no server hears of it.
//
// Shown: every migration takes effect once, nothing is written under another term than the fence's, nobody's gate opens early, and once the
// faults are over the replicas that are left finish, without leaving an invalid index.
//
// Not shown: what a power cut does to the database's own machine (PostgreSQL runs without fsync). Network namespaces and a disk to fill
// need root, and Linux with nftables: elsewhere those seeds are not run, and say so.
//
// Clock: none decides; timeouts only end a test that hangs.
package chaos
