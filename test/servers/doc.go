// Package servers starts the real servers that tests and measurements talk to: PostgreSQL, PgBouncer, MariaDB,
// Consul (one agent or a cluster) and FerretDB (which speaks MongoDB's protocol), and what puts faults between a client and any of
// them: a TCP proxy, a network (two namespaces and a cable) that loses packets, and for PostgreSQL a disk to fill.
//
// # Guaranteed
//
//   - A server listens on loopback, on ports that are free, outside the ephemeral range, and reserved for as long
//     as the server exists: it comes back at the same address after Kill or Stop, even while other test binaries start theirs.
//   - A constructor returns when the server has answered a real client, and fails the test with the server's log otherwise.
//   - Kill, Stop, Pause, Resume and Restart have taken effect, for every process of the server, when they return.
//   - Nothing survives: a server and its directory are gone after the test (or after StopShared), and when the test binary
//     panics, is killed or is stopped by a debugger that then kills it.
//   - Everything here may be called from several goroutines at once.
//
// # Not guaranteed
//
//   - Durability. PostgreSQL runs without fsync unless asked: a killed process loses nothing, a power cut would.
//   - That a paused or killed server looks like a partition: its kernel still acknowledges. Put a Proxy in between,
//     and read there what that can and cannot imitate, or a Network.
//   - Any other system than Linux.
//
// # Clock
//
// Only deadlines for starting and stopping are measured, on the monotonic clock of the test process, and they are long:
// no duration here is ever a condition of a test.
//
// # Use
//
// A package whose tests share a server stops it before looking for leaked goroutines:
//
//	func TestMain(m *testing.M) { goleak.VerifyTestMain(servers.StopAfter(m)) }
//
//	func TestX(t *testing.T) { url := servers.SharedPostgres(t).NewDatabase(t) }
//
// A test that kills, pauses or configures a server starts its own with Postgres(t). Programs without a *testing.T use a Scope.
//
// The packages and binaries needed come from `make setup`.
package servers
