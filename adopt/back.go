package adopt

import (
	"crypto/sha512"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/migrations"
)

// Held is a version that our history has in force.
type Held struct {
	Version, Name, Note string
	At                  time.Time
}

// Given is what a tool's table has to be told so that the tool finds nothing to do.
type Given struct {
	Tool string
	// Versions are those in force.
	Versions []string
	Write    database.ForeignWrite
}

// Back says how to write what is in force into the record of the tool that owns the set's format.
func Back(set *migrations.Set, d migrations.Dialect, held []Held, tables []database.ForeignTable) (*Given, error) {
	b := back{set: set, dialect: d, held: held}
	name, err := b.owner(tables)
	if err != nil {
		return nil, err
	}
	for _, t := range tools() {
		if t.name != name {
			continue
		}
		b.w.Table = t.shapes[0].Name
		for _, have := range tables {
			if o := toolOf(have); o != nil && o.name == name {
				b.table, b.w.Schema, b.w.Table = &have, have.Schema, have.Table
			}
		}
	}
	if b.table == nil {
		if b.w.Create = create(name, d); b.w.Create == "" && name != migrateMongo {
			return nil, &Problem{Msg: fmt.Sprintf("the database has no record of %s, and schemagate does not make one", name), Remedy: ownWay(name)}
		}
	}
	switch name {
	case golangMigrate, tern:
		err = b.number(name)
	case goose:
		b.goose()
	case dbmate:
		b.rows("version", func(v version) map[string]any { return map[string]any{"version": v.held.Version} })
	case sqlx:
		err = b.sqlx()
	case flyway:
		b.flyway()
	case liquibase:
		err = b.liquibase()
	case migrateMongo:
		err = b.mongo()
	}
	if err != nil {
		return nil, err
	}
	g := &Given{Tool: name, Write: b.w}
	for _, h := range held {
		g.Versions = append(g.Versions, h.Version)
	}
	return g, nil
}

// ownWay is how a tool takes a database over by itself.
func ownWay(tool string) string {
	if tool == liquibase {
		return "liquibase changelog-sync does"
	}
	return "flyway baseline -baselineVersion=V does, with V the last version in force"
}

type back struct {
	set     *migrations.Set
	dialect migrations.Dialect
	held    []Held
	table   *database.ForeignTable // nil where the tool has none yet
	w       database.ForeignWrite
}

// version is one that is in force, with its migration where the set has it.
type version struct {
	held Held
	m    *migrations.Migration
}

func (b *back) versions() []version {
	out := make([]version, len(b.held))
	for i, h := range b.held {
		out[i].held = h
		if m, ok := b.set.Find(h.Version); ok {
			out[i].m = &m
		}
	}
	return out
}

// owner is the tool to give the record to. Two own native files: the one that has a table, else the one that was adopted from,
// else the one that names its files so.
func (b *back) owner(tables []database.ForeignTable) (string, error) {
	var owners []string
	for _, t := range tools() {
		if slices.Contains(t.formats, b.set.Format) {
			owners = append(owners, t.name)
		}
	}
	if len(owners) == 0 {
		return "", &Problem{Msg: "no tool owns the format " + b.set.Format, Remedy: "there is nobody to hand the record to"}
	}
	for _, t := range tables {
		if o := toolOf(t); o != nil && len(t.Rows) > 0 && slices.Contains(owners, o.name) {
			return o.name, nil
		}
	}
	for _, h := range b.held {
		for _, o := range owners {
			if strings.HasPrefix(h.Note, NotePrefix+o) {
				return o, nil
			}
		}
	}
	if b.set.Format == "native" && !slices.ContainsFunc(b.set.Migrations, func(m migrations.Migration) bool { return strings.HasSuffix(m.Up.File, ".up.sql") }) {
		return sqlx, nil
	}
	return owners[0], nil
}

// number is for tools that keep the last version alone: there may be no gap below it.
func (b *back) number(tool string) error {
	last := ""
	for _, h := range b.held {
		if last == "" || migrations.CompareVersions(h.Version, last) > 0 {
			last = h.Version
		}
	}
	for _, m := range b.set.Migrations {
		if last != "" && migrations.CompareVersions(m.Version, last) < 0 && !slices.ContainsFunc(b.held, func(h Held) bool { return migrations.CompareVersions(h.Version, m.Version) == 0 }) {
			return &Problem{Msg: fmt.Sprintf("%s keeps one number, and %s is not in force below %s", tool, m.Up.File, last), Remedy: "apply it first (schemagate up; a contract migration: up --contract)"}
		}
	}
	b.w.Delete = []map[string]any{{}}
	row := map[string]any{"version": number(last)}
	if tool == golangMigrate {
		row["dirty"] = false
		if last == "" {
			return nil // no row
		}
	}
	b.w.Insert = []map[string]any{row}
	return nil
}

// rows brings a table with a row per version to what is in force.
func (b *back) rows(key string, row func(version) map[string]any) {
	have := map[string]bool{}
	if b.table != nil {
		for _, r := range b.table.Rows {
			v := r[key]
			if slices.ContainsFunc(b.held, func(h Held) bool { return migrations.CompareVersions(h.Version, v) == 0 }) {
				have[canonical(v)] = true
			} else {
				b.w.Delete = append(b.w.Delete, map[string]any{key: v})
			}
		}
	}
	for _, v := range b.versions() {
		if !have[canonical(v.held.Version)] {
			b.w.Insert = append(b.w.Insert, row(v))
		}
	}
}

func canonical(v string) string { return strings.TrimLeft(v, "0") }

func (b *back) goose() {
	applied := map[string]bool{}
	if b.table != nil {
		entries, _ := readGoose(newIndex(b.set), *b.table)
		for _, e := range entries {
			applied[canonical(e.version)] = true
		}
		for _, r := range b.table.Rows { // what is not in force leaves no trace, as goose's own way back does
			if v := r["version_id"]; v != "0" && !slices.ContainsFunc(b.held, func(h Held) bool { return canonical(h.Version) == canonical(v) }) {
				b.w.Delete = append(b.w.Delete, map[string]any{"version_id": number(v)})
			}
		}
	}
	if b.table == nil || len(b.table.Rows) == 0 {
		b.w.Insert = append(b.w.Insert, map[string]any{"version_id": int64(0), "is_applied": true})
	}
	for _, v := range b.versions() {
		if !applied[canonical(v.held.Version)] {
			b.w.Insert = append(b.w.Insert, map[string]any{"version_id": number(v.held.Version), "is_applied": true})
		}
	}
}

func (b *back) sqlx() error {
	var problem error
	b.rows("version", func(v version) map[string]any {
		if v.m == nil {
			problem = &Problem{Msg: fmt.Sprintf("%s is in force, and this set does not hold it, so that its checksum is not known", v.held.Version), Remedy: "use the release that has it"}
			return nil
		}
		sum := sha512.Sum384([]byte(v.m.Up.Text))
		return map[string]any{"version": number(v.held.Version), "description": strings.ReplaceAll(v.m.Name, "_", " "), "success": true,
			"checksum": sum[:], "execution_time": int64(-1)}
	})
	for _, d := range b.w.Delete {
		if text, ok := d["version"].(string); ok {
			d["version"] = number(text)
		}
	}
	return problem
}

func (b *back) flyway() {
	rank, have := int64(0), map[string]bool{}
	entries, _ := readFlyway(newIndex(b.set), *b.table)
	for _, e := range entries {
		have[e.version] = true
	}
	for _, r := range b.table.Rows {
		rank = max(rank, number(r["installed_rank"]))
		if v := r["version"]; v != "" && !strings.HasSuffix(r["type"], "BASELINE") &&
			!slices.ContainsFunc(b.held, func(h Held) bool { return migrations.CompareVersions(h.Version, v) == 0 }) {
			b.w.Delete = append(b.w.Delete, map[string]any{"version": v})
		}
	}
	for _, v := range b.versions() {
		if have[v.held.Version] || v.m == nil {
			continue
		}
		rank++
		row := map[string]any{"installed_rank": rank, "version": v.held.Version, "description": strings.ReplaceAll(v.m.Name, "_", " "), "type": "SQL",
			"script": path.Base(v.m.Up.File), "installed_by": "schemagate", "execution_time": int64(0), "success": true, "checksum": nil}
		if v.m.Repeatable {
			row["version"], row["description"] = nil, strings.ReplaceAll(strings.TrimPrefix(v.held.Version, "R__"), "_", " ")
		}
		if flywayKnows(v.m) {
			row["checksum"] = int64(flywayCRC(v.m.Up.Text))
		}
		b.w.Insert = append(b.w.Insert, row)
	}
}

func (b *back) liquibase() error {
	order, have, folder := int64(0), map[string]bool{}, ""
	entries, problems := readLiquibase(newIndex(b.set), *b.table)
	if len(problems) > 0 {
		return problems[0]
	}
	for _, e := range entries {
		have[e.version] = true
	}
	for _, r := range b.table.Rows {
		order = max(order, number(r["orderexecuted"]))
		for _, m := range b.set.Migrations { // the folders before the file, as Liquibase was called
			p, _, _ := strings.Cut(m.Version, "::")
			if before, ok := strings.CutSuffix(r["filename"], "/"+p); ok && folder == "" {
				folder = before + "/"
			}
		}
	}
	for _, v := range b.versions() {
		p, rest, _ := strings.Cut(v.held.Version, "::")
		id, author, ok := strings.Cut(rest, "::")
		if have[v.held.Version] || !ok {
			continue
		}
		order++
		b.w.Insert = append(b.w.Insert, map[string]any{"id": id, "author": author, "filename": folder + p, "dateexecuted": v.held.At, "orderexecuted": order, "exectype": "EXECUTED"})
	}
	for _, e := range entries {
		if e.m != nil && !slices.ContainsFunc(b.held, func(h Held) bool { return h.Version == e.version }) {
			_, rest, _ := strings.Cut(e.version, "::")
			id, author, _ := strings.Cut(rest, "::")
			b.w.Delete = append(b.w.Delete, map[string]any{"id": id, "author": author})
		}
	}
	return nil
}

func (b *back) mongo() error {
	have := map[string]bool{}
	if b.table != nil {
		entries, _ := readMigrateMongo(newIndex(b.set), *b.table)
		for _, e := range entries {
			have[e.version] = true
			if e.m != nil && !slices.ContainsFunc(b.held, func(h Held) bool { return h.Version == e.version }) {
				b.w.Delete = append(b.w.Delete, map[string]any{"fileName": path.Base(e.m.Up.File)})
			}
		}
	}
	for _, v := range b.versions() {
		switch {
		case have[v.held.Version]:
		case v.m == nil:
			return &Problem{Msg: fmt.Sprintf("%s is in force, and this set does not hold it, so that its file's name is not known", v.held.Version), Remedy: "use the release that has it"}
		default:
			b.w.Insert = append(b.w.Insert, map[string]any{"fileName": path.Base(v.m.Up.File), "appliedAt": v.held.At, "migrationBlock": v.held.At.UnixMilli()})
		}
	}
	return nil
}

// create is the statement by which a tool makes its table, for those that can be handed a database that they never saw.
func create(tool string, d migrations.Dialect) string {
	pick := func(postgres, mysql, sqlite string) string {
		return map[migrations.Dialect]string{migrations.Postgres: postgres, migrations.MySQL: mysql, migrations.SQLite: sqlite}[d]
	}
	switch tool {
	case golangMigrate:
		return "CREATE TABLE schema_migrations (version " + pick("bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL)", "bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL)", "uint64, dirty bool)")
	case dbmate:
		return "CREATE TABLE schema_migrations (version " + pick("varchar", "varchar(128)", "varchar(128)") + " PRIMARY KEY)"
	case tern:
		return "CREATE TABLE schema_version (version int4 NOT NULL)"
	case goose:
		return "CREATE TABLE goose_db_version (" + pick(
			"id integer PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY, version_id bigint NOT NULL, is_applied boolean NOT NULL, tstamp timestamp NOT NULL DEFAULT now())",
			"id bigint(20) unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY, version_id bigint NOT NULL, is_applied boolean NOT NULL, tstamp timestamp NULL DEFAULT now())",
			"id integer PRIMARY KEY AUTOINCREMENT, version_id integer NOT NULL, is_applied integer NOT NULL, tstamp timestamp DEFAULT (datetime('now')))")
	case sqlx:
		return "CREATE TABLE _sqlx_migrations (version bigint PRIMARY KEY, description text NOT NULL, installed_on " +
			pick("timestamptz NOT NULL DEFAULT now()", "timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP", "timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP") +
			", success boolean NOT NULL, checksum " + pick("bytea", "blob", "blob") + " NOT NULL, execution_time bigint NOT NULL)"
	}
	return ""
}

// Hint is what to do about a migration's statement that did not find another tool's table; empty where that is not it.
func Hint(message string) string {
	for _, t := range tools() {
		for _, s := range t.shapes {
			if i := strings.Index(strings.ToLower(message), s.Name); i >= 0 && !word(message, i-1) && !word(message, i+len(s.Name)) {
				return strconv.Quote(s.Name) + " is " + t.name + "'s own table, which schemagate does not keep: make it once with schemagate adopt --back, or by hand, and start again"
			}
		}
	}
	return ""
}

func word(s string, i int) bool {
	return i >= 0 && i < len(s) && (s[i] == '_' || s[i] >= 'a' && s[i] <= 'z' || s[i] >= 'A' && s[i] <= 'Z' || s[i] >= '0' && s[i] <= '9')
}
