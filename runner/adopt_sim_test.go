package runner_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/schemagate/schemagate/adopt"
	"github.com/schemagate/schemagate/database"
)

// Foreign is golang-migrate's record, where the world has one.
func (d *simDB) Foreign(ctx context.Context, shapes []database.Shape) ([]database.ForeignTable, error) {
	if err := d.request(ctx); err != nil {
		return nil, err
	}
	if d.w.foreign == 0 {
		return nil, nil
	}
	shape, ok := database.Fitting(shapes, "schema_migrations", []string{"version", "dirty"})
	if !ok {
		return nil, fmt.Errorf("nobody asks for golang-migrate's table: %v", shapes)
	}
	return []database.ForeignTable{{Shape: shape, Table: "schema_migrations", Rows: []map[string]string{{"version": fmt.Sprint(d.w.foreign), "dirty": "false"}}}}, nil
}

// TestSimulationAdopts takes another tool's record over under the same faults: what it holds is recorded once, and never applied.
func TestSimulationAdopts(t *testing.T) {
	met := map[string]int{}
	for seed := range uint64(200) {
		foreign := 1 + int(seed%simVersions)
		var w *world
		broken, hits := simulateIn(t, seed, func(x *world) { w = x; x.foreign = foreign })
		for fault, n := range hits {
			met[fault] += n
		}
		applied, adopted := map[string]int{}, 0
		for _, e := range w.history {
			switch {
			case e.Kind == database.Adopted:
				adopted++
			case e.Kind == database.Applied:
				applied[e.Version]++
				if taken := strings.HasPrefix(e.Note, adopt.NotePrefix); taken != (e.Version <= fmt.Sprintf("%04d", foreign)) {
					broken = append(broken, fmt.Sprintf("%s: taken over %v, of %d", e.Version, taken, foreign))
				}
			}
		}
		for version, n := range applied {
			if n != 1 {
				broken = append(broken, fmt.Sprintf("%s is %d times in the history", version, n))
			}
		}
		if adopted != 1 {
			broken = append(broken, fmt.Sprintf("adopted %d times", adopted))
		}
		if len(broken) > 0 {
			t.Fatalf("seed %d: %s", seed, strings.Join(broken, "\n"))
		}
	}
	for _, fault := range []string{"crash", "pause", "cut off", "request lost", "reply lost"} {
		if met[fault] == 0 {
			t.Errorf("no seed met the fault %q", fault)
		}
	}
}
