package adopt

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/migrations"
)

// tool is one migration tool, as its record shows it.
type tool struct {
	name, alias string
	formats     []string // of the sets that it runs
	shapes      []database.Shape
	// read returns what is in force; its problems keep anything from being taken over.
	read func(*index, database.ForeignTable) ([]entry, []error)
	// empty says of a table with rows that nothing is recorded in it; nil: rows say something.
	empty func(database.ForeignTable) bool
}

// The tools' names, as events note them.
const (
	golangMigrate = "golang-migrate"
	sqlx          = "sqlx"
	goose         = "goose"
	dbmate        = "dbmate"
	tern          = "tern"
	flyway        = "Flyway"
	liquibase     = "Liquibase"
	migrateMongo  = "migrate-mongo"
)

func tools() []tool {
	rank := []string{"installed_rank", "version", "description", "type", "script", "checksum", "success"}
	return []tool{
		{name: golangMigrate, formats: []string{"native"}, read: readGolangMigrate,
			shapes: []database.Shape{{Name: "schema_migrations", Columns: []string{"version", "dirty"}, Only: true}}},
		{name: sqlx, formats: []string{"native"}, read: readSqlx,
			shapes: []database.Shape{{Name: "_sqlx_migrations", Columns: []string{"version", "description", "success", "checksum"}}}},
		{name: goose, formats: []string{"goose"}, read: readGoose, empty: unnumbered("version_id"),
			shapes: []database.Shape{{Name: "goose_db_version", Columns: []string{"id", "version_id", "is_applied"}}}},
		{name: dbmate, alias: "Rails", formats: []string{"dbmate"}, read: readDbmate,
			shapes: []database.Shape{{Name: "schema_migrations", Columns: []string{"version"}, Only: true}}},
		{name: tern, formats: []string{"tern"}, read: readTern, empty: unnumbered("version"),
			shapes: []database.Shape{{Name: "schema_version", Columns: []string{"version"}, Only: true}}},
		{name: flyway, formats: []string{"flyway"}, read: readFlyway,
			shapes: []database.Shape{{Name: "flyway_schema_history", Columns: rank}, {Name: "schema_version", Columns: rank}}},
		{name: liquibase, formats: []string{"liquibase"}, read: readLiquibase,
			shapes: []database.Shape{{Name: "databasechangelog", Columns: []string{"id", "author", "filename", "orderexecuted", "exectype"}}}},
		{name: migrateMongo, formats: []string{"migrate-mongo"}, read: readMigrateMongo,
			shapes: []database.Shape{{Name: "changelog", Columns: []string{"filename", "appliedat"}}}},
	}
}

// Shapes are the tables to look for.
func Shapes() (out []database.Shape) {
	for _, t := range tools() {
		out = append(out, t.shapes...)
	}
	return out
}

func toolOf(t database.ForeignTable) *tool {
	for _, x := range tools() {
		for _, s := range x.shapes {
			if s.Name == t.Shape.Name && slices.Equal(s.Columns, t.Shape.Columns) {
				return &x
			}
		}
	}
	return nil
}

// unnumbered: a tool's first act is a row with the version 0.
func unnumbered(column string) func(database.ForeignTable) bool {
	return func(t database.ForeignTable) bool {
		return !slices.ContainsFunc(t.Rows, func(r map[string]string) bool { return r[column] != "0" })
	}
}

// index finds migrations of the set by what tools call them.
type index struct {
	set *migrations.Set
}

func newIndex(set *migrations.Set) *index { return &index{set} }

func (x *index) version(v string) entry {
	if m, ok := x.set.Find(v); ok {
		return entry{version: m.Version, m: &m}
	}
	return entry{version: v}
}

func truth(s string) bool { return s == "1" || s == "true" || s == "t" }

func number(s string) int64 {
	n, _ := strconv.ParseInt(s, 10, 64) // what is no number sorts first
	return n
}

// upTo is everything up to a number that the set must know.
func (x *index) upTo(tool, table, version string) (out []entry, problems []error) {
	if _, ok := x.set.Find(version); !ok {
		return nil, []error{&Problem{Msg: fmt.Sprintf("%s's record in %s is at version %s, which this set does not have", tool, table, version),
			Remedy: "use the release whose files it ran; where the record is another service's, " + remedyBaseline}}
	}
	for i := range x.set.Migrations {
		if m := &x.set.Migrations[i]; migrations.CompareVersions(m.Version, version) <= 0 {
			out = append(out, entry{version: m.Version, m: m})
		}
	}
	return out, nil
}

func readGolangMigrate(x *index, t database.ForeignTable) ([]entry, []error) {
	v := t.Rows[0]["version"]
	if len(t.Rows) > 1 {
		return nil, []error{&Problem{Msg: fmt.Sprintf("%s holds %d rows, and golang-migrate keeps one", t, len(t.Rows)), Remedy: "migrate force V, with V the version in force"}}
	}
	if truth(t.Rows[0]["dirty"]) {
		before := "-1 (none)"
		for _, m := range x.set.Migrations {
			if migrations.CompareVersions(m.Version, v) < 0 {
				before = strconv.FormatInt(number(m.Version), 10)
			}
		}
		return nil, []error{&Problem{Unfinished: true, Msg: fmt.Sprintf("golang-migrate left version %s dirty in %s: it began and did not end, so that nobody knows how much of it is in force", v, t),
			Remedy: fmt.Sprintf("look at the schema and put it right; then migrate force %s if all of it is in force, or migrate force %s if nothing is; then start again", v, before)}}
	}
	return x.upTo(golangMigrate, t.String(), v)
}

func readTern(x *index, t database.ForeignTable) ([]entry, []error) {
	if len(t.Rows) > 1 {
		return nil, []error{&Problem{Msg: fmt.Sprintf("%s holds %d rows, and tern keeps one", t, len(t.Rows)), Remedy: "delete all but the one with the version in force"}}
	}
	return x.upTo(tern, t.String(), t.Rows[0]["version"])
}

func readDbmate(x *index, t database.ForeignTable) (out []entry, _ []error) {
	for _, r := range t.Rows {
		out = append(out, x.version(r["version"]))
	}
	return out, nil
}

// readGoose goes by the latest row of a version: an older goose wrote a row for a way back, too.
func readGoose(x *index, t database.ForeignTable) (out []entry, _ []error) {
	rows := slices.SortedFunc(slices.Values(t.Rows), func(a, b map[string]string) int { return cmp.Compare(number(b["id"]), number(a["id"])) })
	seen := map[string]bool{"0": true}
	for _, r := range rows {
		v := r["version_id"]
		if !seen[v] && truth(r["is_applied"]) {
			e := x.version(v)
			e.at = r["tstamp"]
			out = append(out, e)
		}
		seen[v] = true
	}
	return out, nil
}

func readSqlx(x *index, t database.ForeignTable) (out []entry, problems []error) {
	for _, r := range t.Rows {
		e := x.version(r["version"])
		e.at = r["installed_on"]
		switch {
		case !truth(r["success"]):
			problems = append(problems, &Problem{Unfinished: true, Msg: fmt.Sprintf("sqlx recorded version %s in %s as failed: how much of it is in force nobody knows", r["version"], t),
				Remedy: "look at the schema and put it right; then set success = true in that row if all of it is in force, or delete the row if nothing is; then start again"})
		case e.m != nil && !sqlxSum(e.m.Up.Text, r["checksum"]):
			problems = append(problems, changed(e.m, sqlx))
		default:
			if e.m == nil {
				e.name = r["description"]
			}
			out = append(out, e)
		}
	}
	return out, problems
}

func changed(m *migrations.Migration, tool string) error {
	return &Problem{Msg: fmt.Sprintf("%s: changed after %s applied it (the checksums differ)", m.Up.File, tool),
		Remedy: "restore the file as it was and write a new migration; if the change is one of words only, " + remedyBaseline}
}

func readFlyway(x *index, t database.ForeignTable) (out []entry, problems []error) {
	latest := map[string]map[string]string{}
	var order []string
	rows := slices.SortedFunc(slices.Values(t.Rows), func(a, b map[string]string) int {
		return cmp.Compare(number(a["installed_rank"]), number(b["installed_rank"]))
	})
	for _, r := range rows {
		v := r["version"]
		switch kind := r["type"]; {
		case kind == "SCHEMA":
			continue
		case strings.HasSuffix(kind, "BASELINE"):
			for i := range x.set.Migrations {
				if m := &x.set.Migrations[i]; !m.Repeatable && migrations.CompareVersions(m.Version, v) <= 0 {
					out = append(out, entry{version: m.Version, m: m, at: r["installed_on"]})
				}
			}
			continue
		case v == "":
			v = "R__" + strings.ReplaceAll(r["description"], " ", "_")
		}
		if _, ok := latest[v]; !ok {
			order = append(order, v)
		}
		latest[v] = r
	}
	for _, v := range order {
		r := latest[v]
		e := x.version(v)
		e.at = r["installed_on"]
		known := r["checksum"] != "" && e.m != nil
		switch {
		case !truth(r["success"]):
			problems = append(problems, &Problem{Unfinished: true, Msg: fmt.Sprintf("Flyway recorded %s in %s as failed: how much of it is in force nobody knows", r["script"], t),
				Remedy: "look at the schema and put it right; then flyway repair, which removes the row; then start again, or if all of it is in force, set success = true in that row instead"})
			continue
		case strings.HasPrefix(r["type"], "UNDO") || r["type"] == "DELETE":
			continue
		case e.m != nil && slices.ContainsFunc(out, func(o entry) bool { return o.m != nil && o.m.Version == e.m.Version }):
			continue // under the baseline
		case known && e.m.Repeatable:
			e.stale = !flywaySum(e.m.Up.Text, r["checksum"])
		case known && flywayKnows(e.m) && !flywaySum(e.m.Up.Text, r["checksum"]):
			problems = append(problems, changed(e.m, flyway))
			continue
		case e.m == nil:
			e.name = r["description"]
		}
		out = append(out, e)
	}
	return out, problems
}

// readLiquibase goes by id, author and the end of the path: Liquibase records it as it was called, with folders before it.
func readLiquibase(x *index, t database.ForeignTable) (out []entry, problems []error) {
	for _, r := range t.Rows {
		switch r["exectype"] {
		case "EXECUTED", "RERAN", "MARK_RAN":
		default:
			continue // FAILED and SKIPPED: Liquibase runs it again
		}
		file := strings.TrimPrefix(r["filename"], "classpath:")
		e := entry{version: file + "::" + r["id"] + "::" + r["author"], at: r["dateexecuted"]}
		for i := range x.set.Migrations {
			m := &x.set.Migrations[i]
			if p, ok := strings.CutSuffix(m.Version, "::"+r["id"]+"::"+r["author"]); ok && (p == file || strings.HasSuffix(file, "/"+p)) {
				if e.m != nil {
					problems = append(problems, &Problem{Msg: fmt.Sprintf("Liquibase's changeset %s::%s of %s is both %s and %s", r["id"], r["author"], file, e.m.Version, m.Version),
						Remedy: "give the files a logicalFilePath, or " + remedyBaseline})
				}
				e.version, e.m = m.Version, m
			}
		}
		out = append(out, e)
	}
	return out, problems
}

func readMigrateMongo(x *index, t database.ForeignTable) (out []entry, _ []error) {
	for _, r := range t.Rows {
		e := entry{version: r["filename"], at: r["appliedat"]}
		for i := range x.set.Migrations {
			if m := &x.set.Migrations[i]; path.Base(m.Up.File) == r["filename"] {
				e.version, e.m = m.Version, m
			}
		}
		if !slices.ContainsFunc(out, func(o entry) bool { return o.version == e.version }) { // it keeps no file name unique
			out = append(out, e)
		}
	}
	return out, nil
}
