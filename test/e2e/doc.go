// Package e2e tests the real binary, built with the race detector, against real servers. It holds nothing but tests.
//
// Guaranteed: a test sees what a user of the binary sees (exit codes, log, endpoints, database), and waits for signals (a log
// line, an answer, a row, a lock that is waited for) and never for time to pass. What bounds a wait only fails a test that hangs.
//
// Not guaranteed: how fast anything is; no assertion measures that.
//
// Clock: the test process's monotonic one bounds the waits; where a test needs a lease to have been renewed for a while, the
// database's clock says so.
package e2e
