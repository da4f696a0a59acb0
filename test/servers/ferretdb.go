package servers

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"syscall"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

// Ferret is a FerretDB server, which speaks MongoDB's protocol. It is no MongoDB: only inserts with a unique _id are
// atomic, and there are no transactions, TTL indexes or change streams.
type Ferret struct {
	*server
	bin     string
	backend string
	pg      *PG // with the postgresql backend
}

// FerretDB starts a server with the backend "sqlite" or "postgresql". The latter has a PostgreSQL server of its own,
// which goes on when FerretDB is killed. SQLite is slow from a few thousand documents on; PostgreSQL stalls when more
// than 50 clients update at once.
func FerretDB(tb TB, backend string) *Ferret {
	tb.Helper()
	f := &Ferret{backend: backend}
	switch backend {
	case "sqlite":
	case "postgresql":
		f.pg = Postgres(tb)
		f.pg.Exec(tb, "CREATE DATABASE ferretdb")
	default:
		tb.Fatalf("ferretdb: unknown backend %q; known are sqlite and postgresql", backend)
	}
	var err error
	if f.bin, err = binary("ferretdb"); err != nil {
		tb.Fatalf("ferretdb: %v", err)
	}
	f.server = newServer(tb, "ferretdb", "", syscall.SIGKILL)
	f.command, f.probe = f.launch, f.ping
	if err := os.Mkdir(f.data(), 0o700); err != nil {
		tb.Fatalf("ferretdb: %v", err)
	}
	f.open(1)
	return f
}

func (f *Ferret) data() string { return filepath.Join(f.dir, "data") }

func (f *Ferret) launch() (launch, error) {
	args := []string{"-listen", f.Addr(), "-handler", f.backend}
	if f.pg != nil {
		args = append(args, "-postgresql-url", f.pg.DatabaseURL("ferretdb"))
	} else {
		args = append(args, "-sqlite-url", "file:"+f.data()+"/")
	}
	return launch{path: f.bin, args: args}, nil
}

func (f *Ferret) ping(ctx context.Context) error {
	client, err := mongo.Connect(ctx, options.Client().ApplyURI(f.URL()))
	if err != nil {
		return err
	}
	defer func() { _ = client.Disconnect(context.WithoutCancel(ctx)) }()
	return client.Database("admin").RunCommand(ctx, bson.D{{Key: "ping", Value: 1}}).Err()
}

// URL is the address of the server, naming no database.
func (f *Ferret) URL() string { return f.DatabaseURL("") }

// DatabaseURL is the address of the named database.
func (f *Ferret) DatabaseURL(name string) string {
	return (&url.URL{Scheme: "mongodb", Host: f.Addr(), Path: "/" + name}).String()
}

// NewDatabase returns the URL of a database that is empty and the test's own. It goes with the server.
func (f *Ferret) NewDatabase() string { return f.DatabaseURL(databaseName()) }

// Backend is the PostgreSQL server behind, nil with SQLite.
func (f *Ferret) Backend() *PG { return f.pg }

// Client returns a client that is disconnected after the test.
func (f *Ferret) Client(tb TB) *mongo.Client {
	tb.Helper()
	client, err := mongo.Connect(context.Background(), options.Client().ApplyURI(f.URL()))
	if err != nil {
		tb.Fatalf("ferretdb: %v", err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		if err := client.Disconnect(ctx); err != nil {
			tb.Fatalf("ferretdb: disconnect: %v", err)
		}
	})
	return client
}
