// Package demo shows the main job on a bare machine: five replicas of a small app, an embedded SQLite database, two releases,
// and a leader that is killed in the middle of a migration. Every replica is a process of the real binary; the demo only
// starts them, looks at their health endpoints, and draws what it sees. It leaves nothing behind.
package demo
