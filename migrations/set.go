package migrations

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
)

// Dialect tells the splitter whose rules of quoting and commenting hold.
type Dialect string

// The dialects that the splitter knows.
const (
	Postgres Dialect = "postgres"
	MySQL    Dialect = "mysql"
	SQLite   Dialect = "sqlite"
	MongoDB  Dialect = "mongodb"
)

// Phase says what the running release can live with while the migration is in force.
type Phase string

// Expand is the default: old code can live with the change. Contract: it can't. Cutover: old code is stopped first.
const (
	Expand   Phase = "expand"
	Contract Phase = "contract"
	Cutover  Phase = "cutover"
)

// Statement is one statement as it is sent to the server.
type Statement struct {
	// SQL is the text without its terminating semicolon, comments included.
	SQL string
	// Line is the 1-based line of the file where the first token stands.
	Line int
	// Copy holds the data lines of COPY ... FROM stdin, without the closing \. line; nil for any other statement.
	Copy []byte
}

// Script is one direction of a migration.
type Script struct {
	// File is the path inside the migrations folder, for messages.
	File string
	// Text is the direction's own text as it stands in the file (BOM removed, CRLF folded).
	Text string
	// Statements is Text, split; empty where Language is not SQL.
	Statements []Statement
	// Language is "sql", "js" or "json".
	Language string
	// NoTransaction: each statement is to run outside a transaction that spans the file.
	NoTransaction bool
	// LockTimeout overrides SCHEMAGATE_LOCK_TIMEOUT; nil keeps it.
	LockTimeout *time.Duration
	// StatementTimeout overrides SCHEMAGATE_STATEMENT_TIMEOUT; nil keeps it.
	StatementTimeout *time.Duration
	// Idempotent: the author says that running it twice does no harm.
	Idempotent bool
	// Verify is the text of the directive verify=, which stands on VerifyLine; empty where there is none.
	Verify     string
	VerifyLine int
	// Backfill is what the directive backfill says; nil where there is none.
	Backfill *Backfill
	// Ignores are the directives lint-ignore.
	Ignores []Ignore
}

// Migration is one versioned change, with an optional way back.
type Migration struct {
	// Version as written in the file's name; two spellings of one number (1, 0001) are one version.
	Version string
	Name    string
	Format  string
	// Checksum is SHA-256 over the up direction, BOM removed and CRLF folded, in hex.
	Checksum string
	Up       Script
	// Down is nil where there is no way back.
	Down *Script
	// Phase is Options.Phase where the file does not say; After names the version that a contract waits for.
	Phase Phase
	After string
	// Repeatable migrations run again whenever their checksum changes (Flyway R__, Liquibase runOnChange).
	Repeatable bool
	// Fixture and Check are the paths of NAME.fixture.sql|js and NAME.check.sql|js beside the migration; empty where there are none.
	Fixture string
	Check   string
}

// ID is how the migration is named to people: version_name.
func (m Migration) ID() string {
	if m.Name == "" {
		return m.Version
	}
	return m.Version + "_" + m.Name
}

// Set is the ordered migrations that a release ships.
type Set struct {
	Format     string
	Migrations []Migration
	// Digest is SHA-256 over versions and checksums in order, in hex.
	Digest string
}

// Find returns the migration with that version, whatever its spelling (1 finds 0001).
func (s *Set) Find(version string) (Migration, bool) {
	for _, m := range s.Migrations {
		if CompareVersions(m.Version, version) == 0 {
			return m, true
		}
	}
	return Migration{}, false
}

func digest(ms []Migration) string {
	h := sha256.New()
	for _, m := range ms {
		fmt.Fprintf(h, "%s %s\n", m.Version, m.Checksum)
	}
	return hex.EncodeToString(h.Sum(nil))
}
