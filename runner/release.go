package runner

import (
	"maps"
	"slices"
	"strings"

	"github.com/schemagate/schemagate/database"
)

// span is a time in which a version was in force, by the ids of the events that began and ended it; to is 0 where it still is.
type span struct{ from, to int64 }

// begin and end keep a record's spans.
func (r *record) begin(id int64) { r.spans = append(r.spans, span{from: id}) }

func (r *record) end(id int64) {
	if n := len(r.spans); n > 0 && r.spans[n-1].to == 0 {
		r.spans[n-1].to = id
	}
}

// at tells whether the version was in force at the event.
func (r *record) at(id int64) bool {
	return slices.ContainsFunc(r.spans, func(s span) bool { return s.from <= id && (s.to == 0 || s.to > id) })
}

// noteRelease remembers the latest complete event of each release.
func (l *ledger) noteRelease(e *database.Event) {
	if e.Release == "" {
		return
	}
	if l.releases == nil {
		l.releases = map[string]int64{}
	}
	l.releases[e.Release] = e.ID
}

// since are the versions in force that were not when the release last completed, and that it did not put in force itself since (its
// own contract migrations); gone are those that were then, and are no longer.
func (l *ledger) since(release string) (later map[string]bool, gone []string, err error) {
	id, ok := l.releases[release]
	if !ok {
		names := slices.SortedFunc(maps.Keys(l.releases), func(a, b string) int { return int(l.releases[b] - l.releases[a]) })
		known := "no release has (set SCHEMAGATE_RELEASE)"
		if len(names) > 0 {
			known = "the latest that have are " + strings.Join(names[:min(5, len(names))], ", ")
		}
		return nil, nil, misfit("--to-release %s: by the history it has never completed; %s", release, known)
	}
	later = map[string]bool{}
	for k, r := range l.byKey {
		switch {
		case r.applied != nil && !r.at(id) && r.applied.Release != release:
			later[k] = true
		case r.applied == nil && r.at(id):
			gone = append(gone, r.version)
		}
	}
	slices.Sort(gone)
	return later, gone, nil
}
