// Command app serves the payments of the MongoDB database in DATABASE_URL. It reads the shape that its release's scripts leave,
// knows nothing of migrations, and is to be started behind a gate.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
	"go.mongodb.org/mongo-driver/x/mongo/driver/connstring"
)

// drain bounds how long a stop waits for the requests that run.
const drain = 10 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := serve(ctx, ":8080", os.Getenv("DATABASE_URL")); err != nil {
		log.Fatal(err)
	}
}

func serve(ctx context.Context, addr, databaseURL string) error {
	parsed, err := connstring.ParseAndValidate(databaseURL)
	if err != nil {
		return fmt.Errorf("DATABASE_URL: %w", err)
	}
	client, err := mongo.Connect(ctx, options.Client().ApplyURI(databaseURL))
	if err != nil {
		return err
	}
	defer func() { _ = client.Disconnect(context.WithoutCancel(ctx)) }()

	mux := http.NewServeMux()
	mux.Handle("GET /payments", payments(client.Database(parsed.Database)))
	// The process alone: an outage of the database restarts no app.
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	server := &http.Server{Addr: addr, Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	stopped := make(chan error, 1)
	go func() { stopped <- server.ListenAndServe() }()
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

// payment is one document as this release reads it: the amount in cents, and a currency, which older documents lacked.
type payment struct {
	Reference   string `bson:"reference" json:"reference"`
	AmountCents int64  `bson:"amountCents" json:"amount_cents"`
	Currency    string `bson:"currency" json:"currency"`
}

func payments(db *mongo.Database) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
		defer cancel()
		list := []payment{}
		cursor, err := db.Collection("payments").Find(ctx, bson.D{}, options.Find().SetSort(bson.D{{Key: "reference", Value: 1}}))
		if err == nil {
			err = cursor.All(ctx, &list)
		}
		if err != nil {
			log.Printf("payments: %v", err)
			http.Error(w, "the database does not answer", http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(list); err != nil {
			log.Printf("payments: %v", err)
		}
	}
}
