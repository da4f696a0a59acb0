// Package consul elects by a lock in Consul: the key PREFIX/SERVICE/leader, acquired by a session with a TTL.
//
// A campaign is one attempt. It reads the key; where that is free it makes a session, acquires, and where somebody else was
// quicker destroys the session again, so that nothing piles up. The winner then writes itself into the lease of the target
// database, if it was given one: followers see it there, and there they see it die.
//
//	free ──acquire──► held ──release, destroy──────────────► free   resigned: no delay (LockDelay is 0)
//	                   │
//	                   ├─ killed: the database proves it, the successor destroys the session named in the lease
//	                   └─ silent for a TTL by the database's word: the same; where the lease alone protects the work, Consul ends the
//	                      session after one to two TTLs
//
// Guaranteed: as election.Lead promises. Trust counts from before the session was made, and from before each renewal was sent;
// a renewal extends it only if Consul's consistent read then still shows our session on the key. A request that hangs is given
// up after three seconds and tried again on another connection, and none outlives the trust. The lead ends at once where Consul
// says that the session or the lock is gone, and where another winner has taken the lease in the database.
//
// Consul decides, not the lease: a lease that can't be renewed (the database is away) does not end the lead. Nothing can be
// written meanwhile, and the worst that followers can make of it is a campaign that Consul refuses. It is renewed by a goroutine
// of its own, so that a database that hangs does not cost the lead either.
//
// Not guaranteed: exclusion. A wiped Consul, one restored from a snapshot, or two of them elect two leaders; the fence in the target
// database sees to it that one writes. No index of Consul's is used as a fence, because they all can restart.
//
// Clock: the holder's monotonic clock for trust; the clock of Consul's raft leader, which starts anew with each leader, for the
// session. An expiry may come late by a whole TTL, never early.
//
// Besides the URL, Consul's usual variables count: CONSUL_HTTP_TOKEN or CONSUL_HTTP_TOKEN_FILE (read anew for each request, so that a
// rotated token is picked up), CONSUL_HTTP_AUTH, CONSUL_CACERT, CONSUL_CAPATH, CONSUL_CLIENT_CERT, CONSUL_CLIENT_KEY, CONSUL_TLS_SERVER_NAME,
// CONSUL_HTTP_SSL, CONSUL_HTTP_SSL_VERIFY, CONSUL_NAMESPACE, CONSUL_PARTITION and CONSUL_DATACENTER. A token needs
//
//	key_prefix "PREFIX/" { policy = "write" }
//	session_prefix "" { policy = "write" }
//
// A Consul agent takes 200 connections from one address (http_max_conns_per_client); followers beyond that sleep without being woken.
package consul
