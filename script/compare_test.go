package script

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
	"go.mongodb.org/mongo-driver/mongo"

	"github.com/schemagate/schemagate/test/servers"
)

// TestSameAsMigrateMongo runs the scripts of testdata/compare with migrate-mongo under Node and with this package, each on a database of its own with the same
// documents in it, and compares every collection and every index that came of it, types included.
func TestSameAsMigrateMongo(t *testing.T) {
	dir := node(t)
	theirs, ours := database(t), database(t)
	seed(t, theirs)
	seed(t, ours)

	files, err := filepath.Glob("testdata/compare/*.js")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	if servers.NodeIsOld() {
		t.Log("without the ES module and the latest syntax, which this Node does not know")
		files = slices.DeleteFunc(files, func(f string) bool { return strings.HasSuffix(f, "-module.js") || strings.HasSuffix(f, "-syntax.js") })
	}
	migrations := filepath.Join(dir, "migrations")
	if err := os.Mkdir(migrations, 0o755); err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf(`module.exports = {mongodb: {url: %q, databaseName: %q, options: {}}, migrationsDir: 'migrations', changelogCollectionName: 'changelog',
		lockCollectionName: 'changelog_lock', lockTtl: 0, migrationFileExtension: '.js', useFileHash: false, moduleSystem: 'commonjs'}`, sharedFerret().URL(), theirs.Name())
	if err := os.WriteFile(filepath.Join(dir, "migrate-mongo-config.js"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		source, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(migrations, filepath.Base(f)), source, 0o644); err != nil {
			t.Fatal(err)
		}
		p := compile(t, f, string(source))
		var l logged
		if err := p.Run(t.Context(), "up", ours, Options{Log: l.add}); err != nil {
			t.Errorf("%v\nlog:\n%s\nstack:\n%s", err, l.String(), stackOf(err))
		}
	}
	out := string(runNode(t, dir, "../node_modules/migrate-mongo/bin/migrate-mongo.js", "up"))
	if n := strings.Count(out, "MIGRATED UP"); n != len(files) {
		t.Fatalf("migrate-mongo applied %d of %d:\n%s", n, len(files), out)
	}
	compareDatabases(t, theirs, ours)

	// And back, for the one that can.
	rename := files[0]
	source, err := os.ReadFile(rename)
	if err != nil {
		t.Fatal(err)
	}
	p := compile(t, rename, string(source))
	if !p.Has(t.Context(), "down") || p.Has(t.Context(), "sideways") {
		t.Error("Has is wrong about down")
	}
	if err := p.Run(t.Context(), "down", ours, Options{}); err != nil {
		t.Fatal(err)
	}
	n, err := ours.Collection("rename_users").CountDocuments(t.Context(), bson.D{{Key: "oldFieldName", Value: bson.D{{Key: "$exists", Value: true}}}})
	if err != nil || n != 2 {
		t.Errorf("after down %d documents have the old name, %v", n, err)
	}
}

func seed(t *testing.T, db *mongo.Database) {
	t.Helper()
	insert(t, db, "rename_users", bson.D{{Key: "_id", Value: 1}, {Key: "oldFieldName", Value: "x"}, {Key: "gone", Value: 1}},
		bson.D{{Key: "_id", Value: 2}, {Key: "oldFieldName", Value: int64(5)}}, bson.D{{Key: "_id", Value: 3}, {Key: "other", Value: true}})
	oid, err := primitive.ObjectIDFromHex("65a0b0c0d0e0f00102030405")
	if err != nil {
		t.Fatal(err)
	}
	insert(t, db, "types_in", bson.D{
		{Key: "_id", Value: 1}, {Key: "int32", Value: int32(-5)}, {Key: "int64", Value: int64(5)}, {Key: "overInt", Value: int64(math.MaxInt32 + 1)}, {Key: "safe", Value: int64(1 << 53)},
		{Key: "unsafe", Value: int64(1<<53 + 1)}, {Key: "max", Value: int64(math.MaxInt64)}, {Key: "min", Value: int64(math.MinInt64)}, {Key: "double", Value: 0.5}, {Key: "whole", Value: 5.0},
		{Key: "large", Value: 1e300}, {Key: "text", Value: "ünï𝒞ode"}, {Key: "empty", Value: ""}, {Key: "yes", Value: true}, {Key: "null", Value: nil},
		{Key: "date", Value: time.Date(2024, 2, 29, 12, 0, 0, 123e6, time.UTC)}, {Key: "before", Value: time.Date(1950, 1, 1, 0, 0, 0, 0, time.UTC)}, {Key: "oid", Value: oid},
		{Key: "binary", Value: primitive.Binary{Data: []byte{1, 2, 255}}}, {Key: "uuid", Value: primitive.Binary{Subtype: 4, Data: []byte("0123456789abcdef")}},
		{Key: "custom", Value: primitive.Binary{Subtype: 0x80, Data: []byte("x")}}, {Key: "regex", Value: primitive.Regex{Pattern: "^a.*b$", Options: "i"}}, {Key: "timestamp", Value: primitive.Timestamp{T: 5, I: 6}},
		{Key: "nested", Value: bson.D{{Key: "z", Value: 1}, {Key: "a", Value: bson.D{{Key: "deep", Value: bson.A{1, "x", bson.D{{Key: "k", Value: nil}}}}}}}}, {Key: "list", Value: bson.A{}},
		{Key: "document", Value: bson.D{}},
	})
}

// compareDatabases reports every difference between two databases.
func compareDatabases(t *testing.T, theirs, ours *mongo.Database) {
	t.Helper()
	names := func(db *mongo.Database) []string {
		list, err := db.ListCollectionNames(t.Context(), bson.D{})
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(list)
		return slices.DeleteFunc(list, func(n string) bool { return strings.HasPrefix(n, "changelog") })
	}
	want, got := names(theirs), names(ours)
	if !slices.Equal(want, got) {
		t.Errorf("collections of migrate-mongo %v\nours %v", want, got)
	}
	documents := 0
	for _, name := range want {
		a, b := dump(t, theirs, name), dump(t, ours, name)
		documents += len(a)
		for i := range max(len(a), len(b)) {
			switch {
			case i >= len(a):
				t.Errorf("%s: only ours has %s", name, b[i])
			case i >= len(b):
				t.Errorf("%s: only migrate-mongo has %s", name, a[i])
			case a[i] != b[i]:
				t.Errorf("%s differs:\nmigrate-mongo %s\nours          %s", name, a[i], b[i])
			}
		}
		if a, b := indexDump(t, theirs, name), indexDump(t, ours, name); !slices.Equal(a, b) {
			t.Errorf("indexes of %s: migrate-mongo %v, ours %v", name, a, b)
		}
	}
	t.Logf("%d documents in %d collections", documents, len(want))
}

// dump reads a collection with the database's own name and generated ids made alike.
func dump(t *testing.T, db *mongo.Database, collection string) []string {
	t.Helper()
	lines := all(t, db, collection)
	for i := range lines {
		lines[i] = strings.ReplaceAll(lines[i], db.Name()+".", "DB.")
		if strings.HasPrefix(lines[i], `{"_id":{"$oid":`) {
			lines[i] = `{"_id":generated` + lines[i][len(`{"_id":{"$oid":"65a0b0c0d0e0f00102030405"}`):]
		}
	}
	slices.Sort(lines)
	return lines
}

func indexDump(t *testing.T, db *mongo.Database, collection string) []string {
	t.Helper()
	specs, err := db.Collection(collection).Indexes().ListSpecifications(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, s := range specs {
		out = append(out, fmt.Sprintf("%s %s unique=%v", s.Name, s.KeysDocument, s.Unique != nil && *s.Unique))
	}
	slices.Sort(out)
	return out
}
