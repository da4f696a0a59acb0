// Command app is a shop that knows nothing of migrations: it serves the products of the database in DATABASE_URL (or in the file
// DATABASE_URL_FILE), and is to be started behind a gate.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// drain bounds how long a stop waits for the requests that run.
const drain = 10 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	databaseURL, err := databaseURL()
	if err == nil {
		err = serve(ctx, cmp.Or(os.Getenv("PORT"), "8080"), databaseURL)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// databaseURL is DATABASE_URL, or what stands in the file DATABASE_URL_FILE, as Docker and Kubernetes mount secrets.
func databaseURL() (string, error) {
	path := os.Getenv("DATABASE_URL_FILE")
	if path == "" {
		return os.Getenv("DATABASE_URL"), nil
	}
	text, err := os.ReadFile(path)
	return strings.TrimSpace(string(text)), err
}

func serve(ctx context.Context, port, databaseURL string) error {
	if databaseURL == "" {
		return errors.New("DATABASE_URL is empty; set it to postgres://USER:PASSWORD@HOST/DATABASE")
	}
	config, err := pgx.ParseConfig(databaseURL)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /products", products(config))
	// The process alone: the gate in front of it has asked for the schema, and an outage of the database restarts no app.
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("ok\n"))
	})
	listener, err := net.Listen("tcp", net.JoinHostPort("", port))
	if err != nil {
		return err
	}
	log.Printf("listening on %s", listener.Addr())
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	stopped := make(chan error, 1)
	go func() { stopped <- server.Serve(listener) }()
	select {
	case err := <-stopped:
		return err
	case <-ctx.Done():
	}
	drained, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	if err := server.Shutdown(drained); err != nil {
		return err
	}
	if err := <-stopped; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// product is one row as clients see it.
type product struct {
	ID         int64          `json:"id"`
	SKU        string         `json:"sku"`
	Title      string         `json:"title"`
	PriceCents int64          `json:"price_cents"`
	Attributes map[string]any `json:"attributes"`
}

// products lists what is for sale. A connection per request keeps the example short; a shop with customers has a pool.
func products(config *pgx.ConnConfig) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
		defer cancel()
		list, err := query(ctx, config)
		if err != nil {
			log.Printf("products: %v", err)
			http.Error(w, "the database does not answer", http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(list); err != nil {
			log.Printf("products: %v", err)
		}
	}
}

func query(ctx context.Context, config *pgx.ConnConfig) ([]product, error) {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	rows, err := conn.Query(ctx, "SELECT id, sku, title, price_cents, attributes FROM products WHERE active ORDER BY id")
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[product])
}
