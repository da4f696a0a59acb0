package migrations

import (
	"strings"
	"time"
)

// What a new migration's files hold until somebody writes them.
const (
	newUp = `-- Write the change here. It runs in one transaction, with a lock timeout. Lines at the head of this file change that:
-- "schemagate: no-transaction" is for CREATE INDEX CONCURRENTLY and the like; others are phase=contract, phase=cutover,
-- lock_timeout=2s, statement_timeout=1m, idempotent.
`
	newDown = `-- Write the way back here, or delete this file if there is none.
`
)

// Native returns the files of a new migration, by name: a way up and a way back to be written.
func Native(name string, at time.Time) (files map[string]string) {
	base := at.UTC().Format("20060102150405") + "_" + sanitise(name)
	return map[string]string{base + ".up.sql": newUp, base + ".down.sql": newDown}
}

// sanitise turns what a person types into a file's name.
func sanitise(name string) string {
	var b strings.Builder
	gap := false
	for _, r := range strings.ToLower(name) {
		switch {
		case 'a' <= r && r <= 'z' || '0' <= r && r <= '9':
			if gap && b.Len() > 0 {
				b.WriteByte('_')
			}
			gap = false
			b.WriteRune(r)
		default:
			gap = true
		}
	}
	if b.Len() == 0 {
		return "migration"
	}
	return b.String()
}
