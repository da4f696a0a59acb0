package mongodb

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
	"go.mongodb.org/mongo-driver/mongo/readconcern"
	"go.mongodb.org/mongo-driver/mongo/writeconcern"
	"go.mongodb.org/mongo-driver/x/mongo/driver/connstring"
	"go.mongodb.org/mongo-driver/x/mongo/driver/topology"

	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/internal/trust"
)

// Options are what the adapter needs besides the URL.
type Options struct {
	Service string
	// LeaseTTL is how long a silent leader's lease lasts.
	LeaseTTL time.Duration
	// Log takes what scripts print.
	Log func(level, message string)
	// Env is what scripts see of the environment; MaxMemory bounds the heap's growth by one, in bytes, 0 being the engine's default.
	Env       map[string]string
	MaxMemory int64
}

// selection bounds the search for a server: without one, waiting is the runner's.
const selection = 5 * time.Second

// DB is one target database.
type DB struct {
	url, name string
	opt       Options
	client    *mongo.Client
}

// Open reads the URL, which must name a database; it does not connect.
func Open(url string, opt Options) (*DB, error) {
	c, err := connstring.Parse(url)
	if err != nil { // its words may quote the URL
		return nil, fmt.Errorf("%w: the database URL can't be read: special characters in its password must be percent-encoded, "+
			"and mongodb+srv:// needs a host whose SRV record can be found", database.ErrConfig)
	}
	if c.Database == "" {
		return nil, fmt.Errorf("%w: the database URL names no database: mongodb://HOST:PORT/DATABASE", database.ErrConfig)
	}
	return &DB{url: url, name: c.Database, opt: opt}, nil
}

// Traits says what MongoDB can promise.
func (d *DB) Traits() database.Traits { return database.Traits{Name: "MongoDB"} }

func (d *DB) connect(ctx context.Context) (*mongo.Client, error) {
	o := options.Client().ApplyURI(d.url).SetAppName("schemagate").SetServerSelectionTimeout(selection).
		SetRetryWrites(true).SetRetryReads(true).SetTimeout(0).SetMaxPoolSize(2).
		SetReadConcern(readconcern.Majority()).SetWriteConcern(writeconcern.Majority())
	client, err := mongo.Connect(ctx, o)
	if err != nil {
		return nil, sorted(err)
	}
	return client, nil
}

func (d *DB) database(ctx context.Context) (*mongo.Database, error) {
	if d.client == nil {
		c, err := d.connect(ctx)
		if err != nil {
			return nil, err
		}
		d.client = c
	}
	return d.client.Database(d.name), nil
}

// Disconnect closes the connections; the next call makes new ones.
func (d *DB) Disconnect() {
	if d.client != nil {
		disconnect(d.client)
		d.client = nil
	}
}

func disconnect(c *mongo.Client) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = c.Disconnect(ctx) // the server notices in any case
}

// now is the server's clock.
func now(ctx context.Context, db *mongo.Database) (time.Time, error) {
	var hello struct {
		LocalTime primitive.DateTime `bson:"localTime"`
	}
	if err := db.RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&hello); err != nil {
		return time.Time{}, sorted(err)
	}
	return hello.LocalTime.Time(), nil
}

// sorted says whether waiting can help; the server's words are kept, the URL never is among them.
func sorted(err error) error {
	var se mongo.ServerError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &se):
		switch {
		case se.HasErrorCode(13), se.HasErrorCode(18), se.HasErrorCode(8000):
			return fmt.Errorf("%w: %w; the role needs readWrite on the database", database.ErrDenied, err)
		case se.HasErrorLabel("TransientTransactionError"), se.HasErrorLabel("RetryableWriteError"), se.HasErrorCode(50), se.HasErrorCode(91),
			se.HasErrorCode(189), se.HasErrorCode(10107), se.HasErrorCode(11600), se.HasErrorCode(11602), se.HasErrorCode(13436):
			return fmt.Errorf("%w: %w", database.ErrUnreachable, err)
		}
		return err
	case strings.Contains(err.Error(), "auth error"):
		return fmt.Errorf("%w: the server refused user name or password", database.ErrDenied)
	}
	if last := handshake(err); last != nil {
		return fmt.Errorf("%w: %w; %s", database.ErrConfig, last, trust.Remedy(last, "tlsCAFile", "tlsCertificateKeyFile"))
	}
	return fmt.Errorf("%w: %w", database.ErrUnreachable, err)
}

// handshake is the last error of a server that refused TLS, or that we refused, while none was found; nil for any other.
func handshake(err error) error {
	var se topology.ServerSelectionError
	if !errors.As(err, &se) {
		return nil
	}
	for _, s := range se.Desc.Servers {
		if trust.Remedy(s.LastError, "", "") != "" {
			return s.LastError
		}
	}
	return nil
}

// The collections. A number that somebody claims is part of the _id.
const (
	fences    = "schemagate_fence"
	histories = "schemagate_history"
	leases    = "schemagate_lease"
	replicas  = "schemagate_replicas"
)

// claimed is the _id of a service's n-th document; zero padding keeps ids in the order of their numbers.
func claimed(service string, n int64) string { return fmt.Sprintf("%s/%019d", service, n) }

// latest decodes the service's document with the highest number; found is false where there is none.
func latest(ctx context.Context, db *mongo.Database, collection, service string, into any) (found bool, err error) {
	err = db.Collection(collection).FindOne(ctx, bson.D{{Key: "service", Value: service}},
		options.FindOne().SetSort(bson.D{{Key: "_id", Value: -1}})).Decode(into)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return false, nil
	}
	return err == nil, sorted(err)
}
