package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"go.mongodb.org/mongo-driver/bson"

	"github.com/schemagate/schemagate/test/servers"
)

// mongo measures a script that makes many calls, one after the other.
func (b *bench) mongo() {
	n, rounds := b.n(10_000, 300), b.n(3, 1)
	b.title("MongoDB: 10,000 single updates in a script", "`updateOne` by `_id`, one awaited after the other, on FerretDB with PostgreSQL behind it (no real MongoDB was at hand: the server's share is larger here). "+
		"The floor is the Go driver alone. CPU is the tool's own.")
	modules, ok := servers.NodeModules(b.scope)
	if !ok {
		b.scope.Fatalf("there is no npm with Node 18 or newer: no migrate-mongo")
	}
	server := servers.FerretDB(b.scope, "postgresql")
	client := server.Client(b.scope)
	script := fmt.Sprintf(`module.exports = {
  async up(db, client) {
    const people = db.collection('people');
    for (let i = 0; i < %d; i++) await people.updateOne({ _id: i }, { $set: { seen: i } });
  },
  async down(db, client) {}
};
`, n)
	set := b.folder("scripts", map[string]string{"20240101000000-seen.js": script})
	// Node finds modules above its own folder.
	dir, err := os.MkdirTemp(modules, "bench-")
	b.must(err)
	b.scope.Cleanup(func() { _ = os.RemoveAll(dir) }) // what is left of it harms nobody
	b.must(os.Mkdir(filepath.Join(dir, "migrations"), 0o755))
	b.must(os.WriteFile(filepath.Join(dir, "migrations", "20240101000000-seen.js"), []byte(script), 0o644))

	database := func() (url, name string) {
		url = server.NewDatabase()
		name = databaseOf(url)
		var people []any
		for i := range n {
			people = append(people, bson.D{{Key: "_id", Value: i}, {Key: "name", Value: fmt.Sprint("person ", i)}})
		}
		for len(people) > 0 {
			batch := people[:min(len(people), 1000)]
			_, err := client.Database(name).Collection("people").InsertMany(context.Background(), batch)
			b.must(err)
			people = people[len(batch):]
		}
		return url, name
	}
	check := func(name string) {
		done, err := client.Database(name).Collection("people").CountDocuments(context.Background(), bson.D{{Key: "seen", Value: bson.D{{Key: "$exists", Value: true}}}})
		b.must(err)
		if done != int64(n) {
			b.scope.Fatalf("%d of %d documents updated", done, n)
		}
		b.must(client.Database(name).Drop(context.Background()))
	}
	floor, ours, node := &sample{name: "floor: the Go driver alone"}, &sample{name: "schemagate"}, &sample{name: "migrate-mongo, Node", peer: true}
	turns(rounds, []func(){
		func() {
			url, name := database()
			b.timed(floor, exec.Command(b.program("mongofloor"), url, fmt.Sprint(n)))
			check(name)
		},
		func() {
			url, name := database()
			b.timed(ours, b.schemagate(url, set, "up"))
			check(name)
		},
		func() {
			_, name := database()
			config := fmt.Sprintf(`module.exports = {mongodb: {url: %q, databaseName: %q, options: {}}, migrationsDir: 'migrations', changelogCollectionName: 'changelog',
	lockCollectionName: 'changelog_lock', lockTtl: 0, migrationFileExtension: '.js', useFileHash: false, moduleSystem: 'commonjs'}`, server.URL(), name)
			b.must(os.WriteFile(filepath.Join(dir, "migrate-mongo-config.js"), []byte(config), 0o644))
			cmd := servers.Node(context.Background(), filepath.Join(modules, "node_modules", "migrate-mongo", "bin", "migrate-mongo.js"), "up")
			cmd.Dir = dir
			b.timed(node, cmd)
			check(name)
		},
	})
	b.table(time.Second, []*sample{floor, ours, node})
	b.aim("MongoDB, 10,000 updates", "faster than Node", fmt.Sprintf("%s s, Node %s s", in(time.Second, ours.median()), in(time.Second, node.median())), ours.median() < node.median())
	p := plot{title: fmt.Sprintf("MongoDB: %d single updates in a script: median", n), unit: "s"}
	for _, s := range []*sample{floor, ours, node} {
		p.series = append(p.series, series{name: map[*sample]string{floor: "Go driver alone", ours: s.name, node: "migrate-mongo"}[s], values: []float64{s.median().Seconds()}, ours: s == ours})
	}
	b.plot("mongo", p)
}
