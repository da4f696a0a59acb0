package main

import (
	"slices"
	"testing"
)

// The app inherits where its migrations lie, but no password.
func TestAPasswordInTheGitURLIsNotInherited(t *testing.T) {
	const variable = "SCHEMAGATE_MIGRATIONS"
	for value, secret := range map[string]bool{"db/migrations": false, "git+ssh://git@h/r.git": false, "git+https://me:hunter2@h/r.git": true} {
		t.Setenv(variable, value)
		if got := slices.Contains(secretVariables(), variable); got != secret {
			t.Errorf("%s: removed %v", value, got)
		}
	}
}
