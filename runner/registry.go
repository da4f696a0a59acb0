package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/migrations"
)

// replicaTTL is how long a replica that stays may be silent before a leader, in contact with the database all that time, takes
// it for gone: three times as long as a watch sleeps at most. A replica that is cut off for longer, while its app still serves,
// finds its gate closed as soon as the database answers it again.
const replicaTTL = 3 * watchEvery

// replica is this replica's row.
func (r *Runner) replica(state string) database.Replica {
	row := database.Replica{ID: r.id, Name: r.Candidate.Replica, Release: r.Candidate.Release, Digest: r.Set.Digest, State: state}
	if n := len(r.Set.Migrations); n > 0 {
		row.Version = r.Set.Migrations[n-1].Version
	}
	if !r.Stays {
		row.ID, row.Name, row.State = database.InitReplica(r.Set.Digest), "", database.ReplicaInit
	}
	return row
}

// register writes this replica's row. Opening a gate rests on it: register, then look, then open.
func (r *Runner) register(ctx context.Context, state string) error {
	if r.id == "" {
		r.id = database.NewHolder()
	}
	at := time.Now()
	if err := r.Database.Register(ctx, r.replica(state)); err != nil {
		return err
	}
	r.registered, r.state = at, state
	return nil
}

// onRecord says whether a leader that contracts or cuts over knows of this replica, as of the look v.
func (r *Runner) onRecord(v database.View) bool {
	if !r.Stays {
		return v.Init
	}
	return !r.registered.IsZero() && time.Since(r.registered) < replicaTTL/2 && r.state != database.ReplicaStopped
}

// Deregister takes this replica's row away: its app has ended.
func (r *Runner) Deregister(ctx context.Context) {
	if !r.Stays || r.registered.IsZero() {
		return
	}
	short, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleFor)
	defer cancel()
	if err := r.Database.Deregister(short, r.id); err != nil {
		r.Log.Warn("this replica could not be taken off the registry; it counts as live until its time has passed", zap.Error(err))
	}
	r.registered = time.Time{}
	r.Database.Disconnect()
}

// vigil judges the registry on this process's own monotonic clock. Silence is no proof: a row counts as gone only when its
// beat stood still through a full replicaTTL of readings without a gap, all answered by one server; and that a row is missing
// counts only after such a time, since a failover can lose rows whose replicas then write them anew.
type vigil struct {
	server string
	began  time.Time // of the contact without a gap
	last   time.Time
	beats  map[string]beat
}

type beat struct {
	beat  string
	since time.Time
}

// read takes one reading; at is the moment before it was asked for.
func (v *vigil) read(reg database.Registry, at time.Time) {
	if v.beats == nil || reg.Server != v.server || at.Sub(v.last) > replicaTTL/2 {
		*v = vigil{server: reg.Server, began: at}
	}
	v.last = at
	beats := make(map[string]beat, len(reg.Replicas))
	for _, row := range reg.Replicas {
		b, ok := v.beats[row.ID]
		if !ok || b.beat != row.Beat {
			b = beat{row.Beat, at}
		}
		beats[row.ID] = b
	}
	v.beats = beats
}

// gone says that the row, as last read, has been silent for long enough.
func (v *vigil) gone(row database.Replica) bool {
	b, ok := v.beats[row.ID]
	return ok && b.beat == row.Beat && v.last.Sub(b.since) >= replicaTTL
}

// settled says that a row which is not there stands for a replica which is not there.
func (v *vigil) settled() bool { return v.beats != nil && v.last.Sub(v.began) >= replicaTTL }

// below picks the rows of releases that the floor would shut. What has acknowledged that it stopped does not count.
func below(reg database.Registry, floor string) (out []database.Replica) {
	for _, row := range reg.Replicas {
		if row.State != database.ReplicaStopped && (row.Version == "" || migrations.CompareVersions(row.Version, floor) < 0) {
			out = append(out, row)
		}
	}
	return out
}

// InitPolicy says what an init-only replica of an older release is taken for.
type InitPolicy string

// The init policies.
const (
	// InitUnknown: its app may live, so that the operator must decide.
	InitUnknown InitPolicy = "unknown"
	// InitStopped: the deployment stops every older app before it starts a newer one (Kubernetes' strategy Recreate).
	InitStopped InitPolicy = "stopped"
)

// obstacles names, for people, the rows that stand in the way; nil when none does.
func obstacles(rows []database.Replica, gone func(database.Replica) bool, init InitPolicy) (out []string) {
	for _, row := range rows {
		release := "of a release that does not name itself"
		if row.Release != "" {
			release = "of release " + row.Release
		}
		switch {
		case row.State == database.ReplicaInit && init == InitStopped, row.State != database.ReplicaInit && gone(row):
		case row.State == database.ReplicaInit:
			out = append(out, fmt.Sprintf("init-only replicas %s (unknown whether their apps live; the operator decides: schemagate up --contract)", release))
		default:
			how := row.State
			if age := (time.Duration(row.AgeMS) * time.Millisecond).Truncate(2 * watchEvery); age > 0 {
				how += fmt.Sprintf(", silent for more than %v", age)
			}
			out = append(out, fmt.Sprintf("%s %s (%s)", row.Name, release, how))
		}
	}
	return out
}

// few shortens a list for a message.
func few(names []string) string {
	if len(names) > 5 {
		names = append(slices.Clone(names[:5]), fmt.Sprintf("and %d more", len(names)-5))
	}
	return strings.Join(names, ", ")
}

// sweepAfter is the silence after which a leader takes a row away for tidiness; a replica that lives writes it anew.
const sweepAfter = time.Hour

// sweep removes rows that nobody has renewed for long, and those of init-only releases that the floor has shut for good.
func (r *Runner) sweep(ctx context.Context, floor string) {
	reg, err := r.Database.Registry(ctx)
	if err != nil {
		return
	}
	var ids []string
	for _, row := range reg.Replicas {
		old := time.Duration(row.AgeMS)*time.Millisecond > sweepAfter
		if row.State != database.ReplicaInit && old ||
			row.State == database.ReplicaInit && floor != "" && row.Version != "" && migrations.CompareVersions(row.Version, floor) < 0 {
			ids = append(ids, row.ID)
		}
	}
	if len(ids) > 0 {
		if err := r.Database.Deregister(ctx, ids...); err != nil && !errors.Is(err, database.ErrNotPrepared) {
			r.Log.Debug("sweep the registry", zap.Error(err))
		}
	}
}
