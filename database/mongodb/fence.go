package mongodb

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/mongo"

	"github.com/schemagate/schemagate/database"
)

type fenceDoc struct {
	ID      string `bson:"_id"`
	Service string `bson:"service"`
	Term    int64  `bson:"term"`
	Holder  string `bson:"holder"`
}

// Prepare claims term 0, which makes the service known.
func (d *DB) Prepare(ctx context.Context) error {
	db, err := d.database(ctx)
	if err != nil {
		return err
	}
	_, err = db.Collection(fences).InsertOne(ctx, fenceDoc{ID: claimed(d.opt.Service, 0), Service: d.opt.Service})
	if mongo.IsDuplicateKeyError(err) { // the other first start was quicker
		return nil
	}
	return sorted(err)
}

func fence(ctx context.Context, db *mongo.Database, service string) (t database.Term, ready bool, err error) {
	var f fenceDoc
	ready, err = latest(ctx, db, fences, service, &f)
	return database.Term{Number: f.Term, Holder: f.Holder}, ready, err
}

// Mint claims the next term by inserting it. A duplicate key may be our own insert, whose answer was lost: the row tells.
func (d *DB) Mint(ctx context.Context, seen int64, holder string) (database.Term, error) {
	db, err := d.database(ctx)
	if err != nil {
		return database.Term{}, err
	}
	mine := database.Term{Number: seen + 1, Holder: holder}
	current, _, err := fence(ctx, db, d.opt.Service)
	if err != nil {
		return database.Term{}, err
	}
	if current.Number == seen {
		_, err = db.Collection(fences).InsertOne(ctx, fenceDoc{ID: claimed(d.opt.Service, mine.Number), Service: d.opt.Service, Term: mine.Number, Holder: holder})
		if err != nil && !mongo.IsDuplicateKeyError(err) {
			return database.Term{}, sorted(err)
		}
		if current, _, err = fence(ctx, db, d.opt.Service); err != nil {
			return database.Term{}, err
		}
	}
	return mine, mine.Check(current)
}

// Drain has nothing to end: no session of this protocol belongs to a term. What an older leader had in flight carried the
// rest of its lease as maxTimeMS, and the lease that we won began after that.
func (d *DB) Drain(ctx context.Context, t database.Term) error {
	db, err := d.database(ctx)
	if err != nil {
		return err
	}
	return checked(ctx, db, d.opt.Service, t)
}

func checked(ctx context.Context, db *mongo.Database, service string, t database.Term) error {
	current, ready, err := fence(ctx, db, service)
	if err != nil {
		return err
	}
	if !ready {
		return fmt.Errorf("%w: the fence is gone", database.ErrConfig)
	}
	return t.Check(current)
}
