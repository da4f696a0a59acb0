package process

import (
	"maps"
	"os"
	"slices"
	"strings"
)

// Environ returns our environment without the variables named in remove, and with those in set, which wins over both.
func Environ(remove []string, set map[string]string) []string {
	var env []string
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if _, replaced := set[name]; replaced || slices.Contains(remove, name) {
			continue
		}
		env = append(env, entry)
	}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		env = append(env, name+"="+set[name])
	}
	return env
}
