//go:build !no_git

package source

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// wanted finds the ref among those of the repository. bare: it is a commit hash that none of them points at.
func wanted(ref string, refs map[string]plumbing.Hash) (h plumbing.Hash, bare bool, err error) {
	if ref == "" {
		if h, ok := refs["HEAD"]; ok {
			return h, false, nil
		}
		return h, false, fmt.Errorf("%w: the repository has no HEAD to begin with: name a ref with ?ref=", ErrNotFound)
	}
	if h, ok := refs[ref]; ok && strings.HasPrefix(ref, "refs/") {
		return h, false, nil
	}
	tag, isTag := refs["refs/tags/"+ref]
	branch, isBranch := refs["refs/heads/"+ref]
	switch {
	case isTag && isBranch && tag != branch:
		return h, false, fmt.Errorf("%w: %q is both a tag and a branch: write ?ref=refs/tags/%s or ?ref=refs/heads/%s", ErrLocation, ref, ref, ref)
	case isTag:
		return tag, false, nil
	case isBranch:
		return branch, false, nil
	}
	if plumbing.IsHash(ref) {
		h = plumbing.NewHash(ref)
		return h, !slices.Contains(slices.Collect(maps.Values(refs)), h), nil
	}
	hint := ""
	if len(ref) >= 7 && strings.Trim(ref, "0123456789abcdef") == "" {
		hint = "; a commit is given by its full hash of 40 digits"
	}
	return h, false, fmt.Errorf("%w: ref %q: the repository has no tag and no branch of this name (any more)%s%s", ErrNotFound, ref, hint, some(refs))
}

// some names a few refs, for who misspelt one.
func some(refs map[string]plumbing.Hash) string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(refs)) {
		for _, kind := range []string{"refs/heads/", "refs/tags/"} {
			if short, ok := strings.CutPrefix(name, kind); ok && !strings.HasSuffix(name, "^{}") {
				names = append(names, short)
			}
		}
	}
	if len(names) == 0 {
		return ""
	}
	const most = 6
	if len(names) > most {
		names = append(names[:most/2], append([]string{"…"}, names[len(names)-most/2:]...)...)
	}
	return "; it has " + strings.Join(names, ", ")
}
