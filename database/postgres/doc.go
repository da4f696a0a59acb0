// Package postgres keeps schemagate's records in PostgreSQL (12 or newer) and applies migrations there, at the level of the
// protocol (pgconn), so that a start with nothing to do costs one connection and one query.
//
// Guaranteed: a migration, its event and the check of its term share one transaction, which holds the fence row from before
// the migration's first statement. A statement that refuses to run inside a transaction runs while a guard transaction on a
// second connection holds the fence row (READ COMMITTED, so it holds no snapshot that CREATE INDEX CONCURRENTLY would wait
// for); before it starts, a running event is committed that says so, and a successor ends both sessions first.
//
// Not guaranteed: that a dead client's statement ends by itself at once (client_connection_check_interval makes it likely,
// the successor makes it certain), nor that a session may be ended that belongs to another role; then the takeover waits.
// Through a transaction pooler no session is ever ended, because its backend may be anyone's.
//
// Clock: the server's clock_timestamp() for leases and events.
package postgres
