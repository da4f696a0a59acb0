// Command library is an app that brings its migrations inside its own binary and needs no schemagate beside it: it does what
// `schemagate up` does before it serves.
package main

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"time"

	"go.uber.org/zap"

	"github.com/schemagate/schemagate/database/sqlite"
	"github.com/schemagate/schemagate/election"
	"github.com/schemagate/schemagate/election/lease"
	"github.com/schemagate/schemagate/migrations"
	"github.com/schemagate/schemagate/runner"
)

//go:embed migrations
var files embed.FS

func main() {
	if err := migrate(context.Background(), "sqlite:visits.db"); err != nil {
		fmt.Fprintln(os.Stderr, "library:", err)
		os.Exit(1)
	}
	fmt.Println("the schema fits: serve")
}

// migrate returns when the schema is the one that this binary was built for, whichever replica made it so.
func migrate(ctx context.Context, url string) error {
	folder, err := fs.Sub(files, "migrations")
	if err != nil {
		return err
	}
	set, err := migrations.Load(folder, migrations.Options{Dialect: migrations.SQLite})
	if err != nil {
		return err
	}
	db, err := sqlite.Open(url, sqlite.Options{Service: "default"})
	if err != nil {
		return err
	}
	timing, err := election.NewTiming(15 * time.Second)
	if err != nil {
		return err
	}
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	r := &runner.Runner{
		Database: db, Elector: &lease.Elector{Leases: db, Timing: timing}, Set: set, Campaigns: true,
		Candidate: election.Candidate{Replica: host, Release: "v1"}, Log: zap.NewNop(), Timeout: 15 * time.Minute,
	}
	return r.Up(ctx)
}
