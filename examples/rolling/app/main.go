// Command app is one small service in five releases, which differ in the columns that they read and write. Each can live with
// the release before it and the one after it, but for the last: it renames a column, and so is cut over.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// releases are the statements of each: how a person is written, and how a name is read.
var releases = map[string]struct{ write, read string }{
	"v1": {"INSERT INTO people (name) VALUES ($1) RETURNING id", "SELECT name FROM people WHERE id = $1"},
	"v2": {"INSERT INTO people (name, full_name) VALUES ($1, $1) RETURNING id", "SELECT name FROM people WHERE id = $1"},
	"v3": {"INSERT INTO people (name, full_name) VALUES ($1, $1) RETURNING id", "SELECT full_name FROM people WHERE id = $1"},
	"v4": {"INSERT INTO people (full_name) VALUES ($1) RETURNING id", "SELECT full_name FROM people WHERE id = $1"},
	"v5": {"INSERT INTO people (display_name) VALUES ($1) RETURNING id", "SELECT display_name FROM people WHERE id = $1"},
}

func main() {
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, "app:", err)
		os.Exit(1)
	}
}

func serve() error {
	name := os.Getenv("APP_RELEASE")
	release, ok := releases[name]
	if !ok {
		return fmt.Errorf("APP_RELEASE=%s: there are v1 to v5", name)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	pool, err := pgxpool.New(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	defer pool.Close()
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, body any, err error) {
		w.Header().Set("X-Release", name)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprint(w, body)
	}
	mux.HandleFunc("POST /people", func(w http.ResponseWriter, r *http.Request) {
		var id int64
		err := pool.QueryRow(r.Context(), release.write, r.FormValue("name")).Scan(&id)
		answer(w, id, err)
	})
	mux.HandleFunc("GET /people/{id}", func(w http.ResponseWriter, r *http.Request) {
		var person string
		err := pool.QueryRow(r.Context(), release.read, r.PathValue("id")).Scan(&person)
		answer(w, person, err)
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) { answer(w, "ok", nil) })

	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", os.Getenv("APP_ADDR"))
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err = <-served:
	case <-ctx.Done(): // what is under way is finished
		err = server.Shutdown(context.WithoutCancel(ctx))
		if serr := <-served; !errors.Is(serr, http.ErrServerClosed) {
			err = errors.Join(err, serr)
		}
	}
	return err
}
