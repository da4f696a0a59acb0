// Package mysql keeps schemagate's records in MariaDB (10.4 or newer) or MySQL (8.0 or newer) and applies migrations there.
//
// Guaranteed: a write of ours commits only under its own term, because the transaction that makes it has written the fence row
// (touched = touched + 1) and compared it before. A file of data changes only shares one transaction with its applied event:
// all or nothing. DDL commits by itself here, so a file that has any runs statement by statement: a data change shares its
// transaction with its progress; a DDL statement, or one that may hold DDL (CALL, EXECUTE), runs while a guard transaction on a
// second connection holds the fence row, between a running event that says so and the next one. A successor ends both
// connections with KILL and waits until the server knows neither of them; then it asks the catalogue whether the statement took
// effect (see Probe), and says that it can't tell where it can't.
//
// Not guaranteed: that a DDL statement and its event are one. That a statement of a stored program is undone with the others
// (CALL). Anything about tables of an engine without transactions. Through a proxy that shares its connections (ProxySQL,
// MaxScale), connection ids are not the server's: use the server's own address. Galera does not replicate locks, only writes,
// which is why the fence is written; a leader's connections on another node can't be ended from here, so the takeover waits.
//
// Clock: the server's UTC_TIMESTAMP(6) for leases and events.
package mysql
