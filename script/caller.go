package script

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/writeconcern"
)

// caller is the one door to the server: nothing is sent that has not passed the hooks of Options.
type caller struct {
	db      *mongo.Database
	before  func(context.Context) error
	maxTime func() time.Duration
}

// do makes one call to the server. limit is the script's own wish, 0 for none; the call gets the smaller of it and what Options.MaxTime leaves.
// The driver turns the context's deadline into maxTimeMS. A *stop means that the script is to end, whatever it catches.
func (c *caller) do(ctx context.Context, limit time.Duration, f func(ctx context.Context, left time.Duration) error) error {
	if err := context.Cause(ctx); err != nil {
		return &stop{err}
	}
	if c.before != nil {
		if err := c.before(ctx); err != nil {
			return &stop{err}
		}
	}
	left := limit
	if c.maxTime != nil {
		lease := c.maxTime()
		if lease <= 0 {
			return &stop{ErrOutOfTime}
		}
		if left == 0 || lease < left {
			left = lease
		}
	}
	bounded := ctx
	if left > 0 {
		var cancel context.CancelFunc
		bounded, cancel = context.WithTimeout(ctx, left)
		defer cancel()
	}
	err := f(bounded, left)
	if err != nil && ctx.Err() != nil {
		return &stop{fmt.Errorf("%w (%w)", context.Cause(ctx), err)}
	}
	return err
}

// majorityCommands are those whose reply is an acknowledged write. The driver adds no write concern to a raw command.
func majorityCommand(name string) bool {
	switch name {
	case "insert", "update", "delete", "findAndModify", "findandmodify", "create", "createIndexes", "drop", "dropIndexes", "collMod",
		"renameCollection", "dropDatabase", "convertToCapped", "cloneCollectionAsCapped":
		return true
	default:
		return false
	}
}

// command runs a raw command. One that writes gets the client's write concern where it has none of its own and is in no transaction.
func (c *caller) command(ctx context.Context, db *mongo.Database, command bson.Raw, limit time.Duration) (bson.Raw, error) {
	elements, err := command.Elements()
	if err != nil || len(elements) == 0 {
		return nil, errors.New("a command needs a name: {create: 'books'}")
	}
	// The driver adds the maxTimeMS of the context, and the server takes only one.
	takesOver := c.db.Client().Timeout() != nil
	send := make(bson.D, 0, len(elements)+1)
	own := false
	for _, e := range elements {
		if ms, ok := e.Value().AsInt64OK(); ok && takesOver && e.Key() == "maxTimeMS" {
			if wish := time.Duration(ms) * time.Millisecond; limit == 0 || wish < limit {
				limit = wish
			}
			continue
		}
		own = own || e.Key() == "writeConcern"
		send = append(send, bson.E{Key: e.Key(), Value: e.Value()})
	}
	if wc := concern(c.db.WriteConcern()); wc != nil && !own && majorityCommand(elements[0].Key()) && !inTransaction(ctx) {
		send = append(send, bson.E{Key: "writeConcern", Value: wc})
	}
	var reply bson.Raw
	err = c.do(ctx, limit, func(ctx context.Context, _ time.Duration) error {
		var err error
		reply, err = db.RunCommand(ctx, send).Raw()
		return err
	})
	return reply, err
}

// concern is a write concern as a command carries it, or nil.
func concern(wc *writeconcern.WriteConcern) bson.D {
	var d bson.D
	if wc == nil {
		return nil
	}
	if wc.W != nil {
		d = append(d, bson.E{Key: "w", Value: wc.W})
	}
	if wc.Journal != nil {
		d = append(d, bson.E{Key: "j", Value: *wc.Journal})
	}
	return d
}

// transactionKey marks a context whose session is in a transaction.
type transactionKey struct{}

func inTransaction(ctx context.Context) bool { return ctx.Value(transactionKey{}) != nil }
