// Command ferretdb serves MongoDB's protocol for the tests, from SQLite or PostgreSQL. It is a module of its own, so that
// FerretDB's requirements do not become those of schemagate. (FerretDB's own command does not run when built as a
// dependency; its embeddable package does.)
package main

import (
	"context"
	"flag"
	"log"
	"log/slog"
	"os/signal"
	"syscall"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	var c ferretdb.Config
	flag.StringVar(&c.Listener.TCP, "listen", "127.0.0.1:27017", "address to listen on")
	flag.StringVar(&c.Handler, "handler", "sqlite", "sqlite or postgresql")
	flag.StringVar(&c.SQLiteURL, "sqlite-url", "", "such as file:DIR/")
	flag.StringVar(&c.PostgreSQLURL, "postgresql-url", "", "such as postgres://HOST:PORT/DATABASE")
	flag.Parse()
	slog.SetLogLoggerLevel(slog.LevelError)

	f, err := ferretdb.New(&c)
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := f.Run(ctx); err != nil {
		log.Fatal(err)
	}
}
