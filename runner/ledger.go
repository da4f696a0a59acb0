package runner

import (
	"strings"

	"github.com/schemagate/schemagate/adopt"
	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/migrations"
)

// record is what the events of one version come to.
type record struct {
	version  string // as the history spells it
	name     string
	applied  *database.Event // the event that put it in force, nil where it is not
	last     database.Event  // the latest event of the version
	done     int             // statements done of an unfinished migration
	trying   int             // the statement that may have run, or 0
	prefix   string          // digest of the statements done
	heldSums map[string]bool // checksums on hold
	spans    []span
}

// ledger is the history, folded.
type ledger struct {
	byKey    map[string]*record
	order    []string         // keys in the order in which they were last applied
	complete map[string]int64 // digest -> id of its latest complete event
	undone   map[string]int64 // key -> id of its latest rollback
	commands map[string]int64 // digest -> id of its command's latest success
	lastDone int64            // id of the latest complete event of any set
	releases map[string]int64 // release -> id of its latest complete event
	last     int64
	floor    string
	floors   []database.Event // all that was ever raised
	cutover  database.Cutover // the latest
	// touched: something took effect, or may have, since the cutover was announced; touchedBy are its versions.
	touched   bool
	touchedBy []string
	backup    *database.Event
	// own is the latest event by which a version came into or out of force otherwise than by another tool's record; adopted and
	// handedBack are the latest events of these kinds.
	own, adopted, handedBack int64
	adoptedNote              string
}

// key makes versions that are one number in two spellings equal.
func key(version string) string {
	parts := strings.Split(version, ".")
	for i, p := range parts {
		if t := strings.TrimLeft(p, "0"); t != "" {
			parts[i] = t
		} else if p != "" {
			parts[i] = "0"
		}
	}
	return strings.Join(parts, ".")
}

func fold(events []database.Event) *ledger {
	l := &ledger{byKey: map[string]*record{}, complete: map[string]int64{}, commands: map[string]int64{}, undone: map[string]int64{}}
	for i := range events {
		l.add(&events[i])
	}
	return l
}

func (l *ledger) add(e *database.Event) {
	l.last = e.ID
	switch e.Kind {
	case database.Complete:
		l.complete[e.Digest], l.lastDone = e.ID, e.ID
		l.noteRelease(e)
		return
	case database.Floor:
		l.floor = e.Version
		l.floors = append(l.floors, *e)
		return
	case database.CutoverBegan:
		l.cutover, l.touched, l.touchedBy = database.Cutover{ID: e.ID, Digest: e.Digest, Under: true}, false, nil
		return
	case database.CutoverEnded:
		l.cutover = database.Cutover{ID: e.ID, Digest: e.Digest, Note: e.Note}
		return
	case database.Backup:
		l.backup = e
		return
	case database.Adopted:
		l.adopted, l.adoptedNote = e.ID, e.Note
		return
	case database.HandedBack:
		l.handedBack = e.ID
		return
	}
	l.touch(e)
	if e.Version == "" {
		if e.Kind == database.Applied && e.Name == string(StepCommand) {
			l.commands[e.Digest] = e.ID
		}
		return
	}
	k := key(e.Version)
	r := l.byKey[k]
	if r == nil {
		r = &record{version: e.Version, heldSums: map[string]bool{}}
		l.byKey[k] = r
	}
	r.last, r.name = *e, e.Name
	switch e.Kind {
	case database.Running:
		r.done, r.trying, r.prefix = e.Done, e.Trying, e.Prefix
	case database.Failed, database.Interrupted:
		if e.Prefix != "" || e.Done > 0 { // else it says nothing of progress: the running events stand
			r.done, r.trying, r.prefix = e.Done, e.Trying, e.Prefix
		}
	case database.Applied:
		l.inForce(k, r, e)
	case database.RolledBack:
		l.decided(e)
		l.forget(k)
		r.end(e.ID)
		r.applied, r.done, r.trying, r.prefix = nil, 0, 0, ""
		l.undone[k] = e.ID
	case database.Hold:
		r.heldSums[e.Checksum] = true
	case database.Resolved:
		l.resolve(k, r, e)
	}
}

// touch notes what happened under an announced cutover. A migration that failed in its transaction left nothing; one outside a
// transaction has running events; a command tells nobody what it has done once it runs.
func (l *ledger) touch(e *database.Event) {
	if !l.cutover.Under || e.Kind != database.Applied && e.Kind != database.Running {
		return
	}
	l.touched = true
	what := e.Version
	if what == "" {
		what = e.Name
	}
	l.touchedBy = append(l.touchedBy, what)
}

func (l *ledger) resolve(k string, r *record, e *database.Event) {
	switch e.Note {
	case database.ResolvedApplied:
		l.inForce(k, r, e)
	case database.ResolvedRetry:
		r.done, r.trying, r.prefix = 0, 0, ""
	case database.ResolvedStatement:
		r.done, r.trying, r.prefix = e.Done, 0, e.Prefix
	case database.ResolvedAgain:
		r.heldSums = map[string]bool{}
	}
}

func (l *ledger) inForce(k string, r *record, e *database.Event) {
	l.decided(e)
	if r.applied != nil { // a repeatable migration, applied again
		l.forget(k)
	} else {
		r.begin(e.ID)
	}
	r.applied, r.done, r.trying, r.prefix = e, 0, 0, ""
	l.order = append(l.order, k)
}

// decided notes who brought a version into or out of force.
func (l *ledger) decided(e *database.Event) {
	if !strings.HasPrefix(e.Note, adopt.NotePrefix) {
		l.own = e.ID
	}
}

func (l *ledger) forget(k string) {
	for i, o := range l.order {
		if o == k {
			l.order = append(l.order[:i], l.order[i+1:]...)
			return
		}
	}
}

// isComplete says that a leader recorded the set as complete, and that nothing of it was rolled back since.
func (l *ledger) isComplete(set *migrations.Set) bool {
	id := l.complete[set.Digest]
	return id > 0 && !l.undoneSince(set, id)
}

func (l *ledger) undoneSince(set *migrations.Set, id int64) bool {
	for _, m := range set.Migrations {
		if l.undone[key(m.Version)] > id {
			return true
		}
	}
	return false
}

// covers says that everything which gates the set is in force, and was so when some other set was found complete: an older
// image meets a newer release's schema, or the history was taken over from another tool.
func (l *ledger) covers(set *migrations.Set) bool {
	for _, m := range set.Migrations {
		r := l.byKey[key(m.Version)]
		if deferred(m) { // whenever it came or comes into force
			continue
		}
		if r == nil || r.applied == nil || r.applied.ID > l.lastDone {
			return false
		}
	}
	return l.lastDone > 0 && len(set.Migrations) > 0
}
