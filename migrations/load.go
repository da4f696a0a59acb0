package migrations

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Options says how a folder is to be read.
type Options struct {
	Dialect Dialect
	// Phase is that of a migration that names none; empty stays empty.
	Phase Phase
	// Placeholders are Flyway's, by name.
	Placeholders map[string]string
}

// Load reads the set in the root of fsys, several files at once where there are many. Its error holds a Problem for everything that is wrong with the set, and then there is
// no set.
func Load(fsys fs.FS, o Options) (*Set, error) {
	l := loader{Options: o, fsys: fsys, seen: map[string]int{}}
	l.read()
	l.settle()
	if len(l.problems) > 0 {
		return nil, joinProblems(l.problems)
	}
	set := &Set{Format: l.format, Migrations: make([]Migration, len(l.ups))}
	for i, u := range l.ups {
		set.Migrations[i] = u.Migration
	}
	set.Digest = digest(set.Migrations)
	return set, nil
}

// source is one file of the folder.
type source struct {
	path string
	text string // normalised
}

func (f source) base() string { return path.Base(f.path) }

// blank says that nobody wrote anything.
func (f source) blank() bool { return strings.TrimSpace(f.text) == "" }

// stem is the path without what tells directions and languages apart; fixtures and checks are found by it.
func (f source) stem() string {
	stem := strings.TrimSuffix(f.path, path.Ext(f.path))
	for _, suffix := range []string{".up", ".down"} {
		if s, ok := strings.CutSuffix(stem, suffix); ok {
			return s
		}
	}
	return stem
}

type up struct {
	Migration
	source
	line      int // where it starts in a file of several; else 0
	afterLine int
}

// down is a way back from a file of its own.
type down struct {
	Script
	version string
}

// none says that it holds nothing: golang-migrate's create makes both files, and one way back in them is often left as it was.
func (d down) none() bool {
	return strings.TrimSpace(d.Text) == "" || d.Language == "sql" && len(d.Statements) == 0
}

type loader struct {
	Options
	fsys     fs.FS
	format   string
	ordered  bool // the files' own order holds, not that of the versions
	ups      []up
	downs    []down
	seen     map[string]int // ordered sets: the index in ups by version
	beside   []string       // fixtures and checks
	problems []*Problem
}

func (l *loader) problem(file string, line int, msg, remedy string) {
	l.problems = append(l.problems, &Problem{File: file, Line: line, Msg: msg, Remedy: remedy})
}

// read collects the migrations of all files.
func (l *loader) read() {
	names, folders := l.list()
	if len(l.problems) > 0 && len(names) == 0 {
		return
	}
	var files []recognised
	for _, f := range l.readFiles(names) {
		if r, ok := l.recognise(f); ok {
			files = append(files, r)
		}
	}
	if len(names) == len(files) && !slices.ContainsFunc(files, func(f recognised) bool { return f.format != flyway }) {
		files = append(files, l.flywayFolders(folders)...)
	}
	if len(names) == 0 && len(files) == 0 {
		remedy := "check SCHEMAGATE_MIGRATIONS, and what is mounted or copied there"
		if len(folders) > 0 {
			remedy = "it has the folder " + folders[0] + "; point SCHEMAGATE_MIGRATIONS there if that is meant"
		}
		l.problem(".", 0, "holds no migration", remedy)
		return
	}
	l.parse(files)
	if len(l.ups) == 0 && len(l.downs) == 0 && len(l.problems) == 0 {
		l.problem(".", 0, "holds no migration for this database", "its files hold no changeset, or only those of others; check the database URL and dbms:")
	}
}

// parse reads files of one format. A plain file goes with its neighbours, where their marks may be left out.
func (l *loader) parse(files []recognised) {
	var first recognised
	for _, f := range files {
		if first.format == "" || first.plain && !f.plain {
			first = f
		}
	}
	l.format = first.format
	for _, f := range files {
		if f.plain && (l.format == tern || l.format == upDown) {
			f.format = l.format
		}
		if f.format != l.format {
			l.problem(f.path, 0, fmt.Sprintf("looks like %s, but %s is %s", f.format, first.path, l.format), "keep one format per folder")
			continue
		}
		formatNamed(f.format).parse(l, f.source)
	}
}

// flywayFolders reads what Flyway would find in the folders below.
func (l *loader) flywayFolders(folders []string) []recognised {
	var files []recognised
	for _, folder := range folders {
		err := fs.WalkDir(l.fsys, folder, func(name string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			if _, ok := flywayName(e.Name()); ok && !isBeside(name) {
				if f, ok := l.readFile(name); ok {
					files = append(files, recognised{source: f, format: flyway})
				}
			}
			return nil
		})
		if err != nil {
			l.problems = append(l.problems, &Problem{File: folder, Msg: "can't be read (" + plainCause(err) + ")", Remedy: "check its permissions and the mount", cause: err})
		}
	}
	return files
}

// list returns the files that may be migrations, and the folders beside them.
func (l *loader) list() (files, folders []string) {
	entries, err := fs.ReadDir(l.fsys, ".")
	if err != nil {
		l.problems = append(l.problems, &Problem{File: ".", Msg: "can't be read (" + plainCause(err) + ")", Remedy: "check SCHEMAGATE_MIGRATIONS, and what is mounted or copied there", cause: err})
		return nil, nil
	}
	for _, e := range entries {
		name := e.Name()
		if strings.HasPrefix(name, ".") {
			continue
		}
		isDir := e.IsDir()
		if e.Type()&fs.ModeSymlink != 0 { // as in a mounted ConfigMap
			info, err := fs.Stat(l.fsys, name)
			isDir = err == nil && info.IsDir()
		}
		switch {
		case isDir:
			folders = append(folders, name)
		case isBeside(name):
			l.beside = append(l.beside, name)
		case l.maybeMigration(name):
			files = append(files, name)
		default:
			l.refuse(name)
		}
	}
	return files, folders
}

// isBeside reports whether name is a fixture or a check, which stands beside a migration.
func isBeside(name string) bool {
	stem := strings.TrimSuffix(strings.TrimSuffix(name, ".sql"), ".js")
	return stem != name && (strings.HasSuffix(stem, ".fixture") || strings.HasSuffix(stem, ".check"))
}

// addUp takes a parsed migration into the set.
func (l *loader) addUp(u up, d directives) {
	if u.Checksum == "" {
		u.Checksum = checksum(u.Up.Text)
	}
	u.Phase, u.After, u.afterLine = d.phase, d.after, d.afterLine
	if u.Phase == "" {
		u.Phase = l.Phase
	}
	if u.Up.Language == "sql" && len(u.Up.Statements) == 0 && !l.hasProblem(u.path) {
		l.checkEmpty(u, d)
	}
	if b := u.Up.Backfill; b != nil {
		l.problems = append(l.problems, checkBackfill(l.Dialect, &u.Up)...)
		if d.phase == Contract {
			l.problem(u.path, d.phaseLine, "a backfill is no contract", "move what older releases can't live with into a migration of its own, behind this one")
		}
		if u.Repeatable {
			l.problem(u.path, b.Line, "a backfill can't be repeatable", "give it a version")
		}
	}
	l.ups = append(l.ups, u)
}

// checkEmpty lets a migration do nothing that says why in a comment, as emptied ones do in sets that have moved on.
func (l *loader) checkEmpty(u up, d directives) {
	switch {
	case strings.Contains(u.Up.Text, newUp): // a directive was added, or not even that
		l.problem(u.path, u.line, "is as schemagate new wrote it", "write the change, or delete the file")
	case !d.said:
		l.problem(u.path, u.line, "holds no statement to apply", "write the change, or a comment that says why nothing is to be done, or delete the file")
	}
}

// checkDown refuses in a way back what only a way forward can say.
func (l *loader) checkDown(file string, d directives) {
	if d.phase != "" {
		l.problem(file, d.phaseLine, "phase= on the way back", "write it in the way up")
	}
	if b := d.script.Backfill; b != nil {
		l.problem(file, b.Line, "backfill on the way back", "undo in one statement what can be, or have no way back")
	}
}

func (l *loader) hasProblem(file string) bool {
	return slices.ContainsFunc(l.problems, func(p *Problem) bool { return p.File == file })
}

// settle orders the set, joins ways back from other files, and checks what only the whole set can tell.
func (l *loader) settle() {
	if !l.ordered {
		slices.SortStableFunc(l.ups, func(a, b up) int { return CompareVersions(a.Version, b.Version) })
		for i := 1; i < len(l.ups); i++ {
			if a, b := l.ups[i-1], l.ups[i]; a.Version != "" && CompareVersions(a.Version, b.Version) == 0 {
				l.problem(b.path, b.line, fmt.Sprintf("version %s is also that of %s", b.Version, a.path), "give one of them another version")
			}
		}
	}
	for _, d := range l.downs {
		i, found := slices.BinarySearchFunc(l.ups, d.version, func(u up, v string) int { return CompareVersions(u.Version, v) })
		switch {
		case !found:
			if len(l.ups) > 0 || len(l.problems) == 0 {
				l.problem(d.File, 0, "is a way back without a way up", "add the up file of version "+d.version+", or delete this one")
			}
		case d.none():
		case l.ups[i].Down != nil:
			l.problem(d.File, 0, fmt.Sprintf("version %s already has the way back %s", d.version, l.ups[i].Down.File), "keep one")
		default:
			l.ups[i].Down = &d.Script
		}
	}
	for i := range l.ups {
		l.checkAfter(i)
	}
	for _, name := range l.beside {
		l.attach(name)
	}
}

// checkAfter refuses a contract that would wait for ever.
func (l *loader) checkAfter(i int) {
	u := l.ups[i]
	if u.After != "" && !slices.ContainsFunc(l.ups[:i], func(o up) bool { return CompareVersions(o.Version, u.After) == 0 }) {
		l.problem(u.path, u.afterLine, fmt.Sprintf("after=%s names no earlier migration of this set", u.After), "write the version of the migration that it waits for")
	}
}

// attach gives a fixture or a check to its migration: of a file with several, the first takes the fixture, the last the check.
func (l *loader) attach(name string) {
	stem := strings.TrimSuffix(name, path.Ext(name))
	kind := path.Ext(stem)
	stem = strings.TrimSuffix(stem, kind)
	at := -1
	for i := range l.ups {
		if l.ups[i].stem() == stem && (at < 0 || kind == ".check") {
			at = i
		}
	}
	switch {
	case at < 0:
		l.problem(name, 0, "belongs to no migration", "name it like its migration: NAME"+kind+path.Ext(name))
	case kind == ".fixture" && l.ups[at].Fixture == "":
		l.ups[at].Fixture = name
	case kind == ".check" && l.ups[at].Check == "":
		l.ups[at].Check = name
	default:
		l.problem(name, 0, "is the second "+kind[1:]+" of "+stem, "keep one")
	}
}
