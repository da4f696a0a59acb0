package runner

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/migrations"
)

// What a rollback to a release undoes, by the events that came since.
func TestDownToRelease(t *testing.T) {
	in := func(release string, e database.Event) database.Event { e.Release = release; return e }
	down := func(release string, events ...database.Event) (*Plan, error) {
		way := "select 1;"
		for i := range events {
			if events[i].Kind == database.Applied {
				events[i].Down, events[i].Format = &way, "native"
			}
		}
		return undo(history(events...), Rollback{Steps: 1, Release: release, Dialect: migrations.Postgres}, Policy{})
	}
	applied, undone, complete := database.Applied, database.RolledBack, event(database.Complete, "")
	v1 := []database.Event{in("v1", event(applied, "1")), in("v1", event(applied, "2")), in("v1", complete)}
	for name, c := range map[string]struct {
		to      string
		events  []database.Event
		want    string
		warning string
	}{
		"nothing since":      {"v1", nil, "", ""},
		"all of the next":    {"v1", []database.Event{in("v2", event(applied, "3")), in("v2", event(applied, "4")), in("v2", complete)}, "4 3", ""},
		"one that failed":    {"v1", []database.Event{in("v2", event(applied, "3")), in("v2", event(database.Failed, "4"))}, "3", ""},
		"two releases":       {"v1", []database.Event{in("v2", event(applied, "3")), in("v2", complete), in("v3", event(applied, "4")), in("v3", complete)}, "4 3", ""},
		"one of two":         {"v2", []database.Event{in("v2", event(applied, "3")), in("v2", complete), in("v3", event(applied, "4")), in("v3", complete)}, "4", ""},
		"out of order":       {"v1", []database.Event{in("v2", event(applied, "1.5")), in("v2", complete)}, "1.5", ""},
		"its own contract":   {"v1", []database.Event{in("v1", event(applied, "9")), in("v2", event(applied, "3"))}, "3", ""},
		"gone and back":      {"v1", []database.Event{in("v2", event(undone, "2")), in("v2", event(applied, "2")), in("v2", event(applied, "3"))}, "3", ""},
		"gone for good":      {"v1", []database.Event{in("v2", event(undone, "2")), in("v2", event(applied, "3"))}, "3", "v1 had in force what is no longer: 2"},
		"applied once more":  {"v1", []database.Event{in("v2", event(applied, "1")), in("v2", event(applied, "3"))}, "3", ""},
		"the latest of them": {"v1", []database.Event{in("v2", event(applied, "3")), in("v2", complete), in("v1", complete), in("v2", event(applied, "4"))}, "4", ""},
	} {
		p, err := down(c.to, append(slices.Clone(v1), c.events...)...)
		if err != nil || strings.Join(p.Pending, " ") != c.want {
			t.Errorf("%s: %v, %v, want %q", name, p.Pending, err, c.want)
		}
		if got := strings.Join(p.Warnings, ""); (c.warning == "") != (got == "") || !strings.HasPrefix(got, c.warning) {
			t.Errorf("%s: warns %q, want %q", name, got, c.warning)
		}
	}
	if _, err := down("v7", v1...); !errors.Is(err, ErrSet) || !strings.Contains(err.Error(), "it has never completed; the latest that have are v1") {
		t.Errorf("an unknown release: %v", err)
	}
}
