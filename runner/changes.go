package runner

import (
	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/migrations"
)

// Changes are what a leader makes on an empty database, in order: first what gates the release, then the background backfills and
// contract migrations.
func Changes(set *migrations.Set, p Policy) []database.Change {
	var gating, later []database.Change
	for _, m := range set.Migrations {
		if deferred(m) {
			later = append(later, change(m, p))
		} else {
			gating = append(gating, change(m, p))
		}
	}
	return append(gating, later...)
}

// WayBack is how a change is rolled back once it is in the history, which keeps nothing of it but the text.
func WayBack(c database.Change, d migrations.Dialect, p Policy) (database.Change, error) {
	return wayBack(c.Outcome(0)[0], d, p)
}

func wayBack(applied database.Event, d migrations.Dialect, p Policy) (database.Change, error) {
	down, err := migrations.ParseDown(applied.Format, d, applied.Version+"_"+applied.Name+" (down, from the history)", *applied.Down)
	if err != nil {
		return database.Change{}, err
	}
	c := script(down, p)
	c.Version, c.Name, c.Checksum, c.Format, c.Undo = applied.Version, applied.Name, applied.Checksum, applied.Format, true
	return c, nil
}

// Beside is a fixture or a check, which no event tells of.
func Beside(s migrations.Script, p Policy) database.Change { return script(s, p) }
