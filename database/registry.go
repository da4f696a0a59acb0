package database

import "errors"

// ErrNotPrepared says that our tables do not exist yet.
var ErrNotPrepared = errors.New("schemagate's tables do not exist yet")

// The states of a registered replica.
const (
	// ReplicaWaiting: its gate has not been open yet.
	ReplicaWaiting = "waiting"
	// ReplicaOpen: its gate is open, or may open on what it last saw.
	ReplicaOpen = "open"
	// ReplicaClosed: its gate is closed; under a sidecar the app may still go on with what it has begun.
	ReplicaClosed = "closed"
	// ReplicaStopped: its gate is closed for the cutover that its row names, and its app was stopped or has had its time to drain.
	ReplicaStopped = "stopped"
	// ReplicaInit: it only ran before its app (an init container), so nobody knows whether that app lives. One row stands for all
	// replicas of a set.
	ReplicaInit = "init"
)

// Replica is one row of the registry: who may serve, and with which set.
type Replica struct {
	// ID is the random id of this start; an init row's is derived from the set.
	ID      string `json:"id"`
	Name    string `json:"replica"`
	Release string `json:"release,omitempty"`
	// Version is the last one of the replica's set, empty where a command migrates.
	Version string `json:"version,omitempty"`
	Digest  string `json:"digest"`
	State   string `json:"state"`
	// Beat changes with every renewal. It is compared and never read as a time.
	Beat string `json:"-"`
	// AgeMS is how long ago it was renewed, by the database's clock: for people; nothing is decided by it.
	AgeMS int64 `json:"age_ms"`
}

// InitReplica is the id of the one row that stands for a set's init-only replicas.
func InitReplica(digest string) string { return "init/" + digest[:min(len(digest), 32)] }

// Registry is one reading of the registry.
type Registry struct {
	// Server identifies the server that answered, and its start: after a failover, what one server told says nothing about
	// another's rows.
	Server   string
	Replicas []Replica
}
