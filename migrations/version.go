package migrations

import (
	"cmp"
	"strings"
)

// CompareVersions orders two versions: -1, 0 or 1. Dotted numbers are compared part by part as numbers of any size, a missing
// part counting as 0 (1 == 0001 == 1.0, 2 < 10, 1.2 < 1.10). Any other version sorts after all numbers, in byte order: that is
// right for Flyway's repeatable migrations, and says nothing of the order of Liquibase changesets, which is the set's own.
func CompareVersions(a, b string) int {
	na, nb := isNumeric(a), isNumeric(b)
	switch {
	case na && nb:
		return compareDotted(a, b)
	case na:
		return -1
	case nb:
		return 1
	}
	return cmp.Compare(a, b)
}

func compareDotted(a, b string) int {
	for a != "" || b != "" {
		var x, y string
		x, a, _ = strings.Cut(a, ".")
		y, b, _ = strings.Cut(b, ".")
		x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
		if c := cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(x, y)); c != 0 {
			return c
		}
	}
	return 0
}

// isNumeric reports whether v is digits, or digits joined by single dots.
func isNumeric(v string) bool {
	dot := true
	for i := range len(v) {
		switch c := v[i]; {
		case isDigit(c):
			dot = false
		case c == '.' && !dot:
			dot = true
		default:
			return false
		}
	}
	return !dot
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
