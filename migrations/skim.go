package migrations

import (
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Skim returns a set's format and digest without its migrations. Names and the bytes of the ways up are enough for that where each
// file says in its name which way it goes; whoever finds this digest complete in a history knows that the very same ways up were
// parsed before. It is for a start that may have nothing to do: ways back are not read.
//
// ok is false where the files are to be read, because their names do not tell enough, or a migration may not gate its own release,
// or something is wrong, which [Load] tells.
func Skim(fsys fs.FS, o Options) (set *Set, ok bool) {
	l := loader{Options: o, fsys: fsys}
	names, _ := l.list()
	var ups, downs []string // names; versions
	for _, name := range names {
		n, ok := nativeName(name)
		switch {
		case !ok || n.both || path.Ext(name) != ".sql" || o.Dialect == MongoDB:
			return nil, false
		case n.down:
			downs = append(downs, n.version)
		default:
			ups = append(ups, name)
		}
	}
	files := l.readFiles(ups)
	if len(l.problems) > 0 || len(l.beside) > 0 || len(files) == 0 {
		return nil, false
	}
	ms := make([]Migration, len(files))
	for i, f := range files {
		if mayDefer(f.text) {
			return nil, false
		}
		n, _ := nativeName(f.base())
		ms[i] = Migration{Version: n.version, Checksum: checksum(f.text)}
	}
	slices.SortFunc(ms, func(a, b Migration) int { return CompareVersions(a.Version, b.Version) })
	slices.SortFunc(downs, CompareVersions)
	for i := range ms[1:] {
		if CompareVersions(ms[i].Version, ms[i+1].Version) == 0 {
			return nil, false
		}
	}
	i := 0
	for _, version := range downs { // each has a way up, and no other has the same
		for i < len(ms) && CompareVersions(ms[i].Version, version) < 0 {
			i++
		}
		if i == len(ms) || CompareVersions(ms[i].Version, version) > 0 {
			return nil, false
		}
		i++
	}
	return &Set{Format: native, Digest: digest(ms)}, true
}

// mayDefer says that a text may hold a directive for a contract or a backfill. What the others say matters only where the migration
// is applied.
func mayDefer(text string) bool {
	if !strings.Contains(text, string(Contract)) && !strings.Contains(text, "backfill") {
		return false
	}
	for at := strings.IndexByte(text, ':'); at >= 0; at = strings.IndexByte(text, ':') {
		if word := len(directivePrefix) - 1; at >= word && strings.EqualFold(text[at-word:at+1], directivePrefix) {
			return true
		}
		text = text[at+1:]
	}
	return false
}
