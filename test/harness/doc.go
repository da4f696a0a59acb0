// Package harness runs the schemagate under test as its users do: as a process of its own, with settings from its environment,
// judged by its exit code and by what it says.
//
// A replica is ended with the test that started it. A data race in one fails the test. Every wait is bounded by Patience, which
// only a test that hangs meets; none of them claims how long something takes.
package harness
