package mongodb

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
	"go.mongodb.org/mongo-driver/mongo"

	"github.com/schemagate/schemagate/database"
)

// leaseDoc is one holding. Only its holder writes to it once it is there, so that nothing depends on an update being atomic.
type leaseDoc struct {
	ID        string             `bson:"_id"`
	Service   string             `bson:"service"`
	N         int64              `bson:"n"`
	Holder    string             `bson:"holder"`
	Replica   string             `bson:"replica"`
	Release   string             `bson:"release"`
	Address   string             `bson:"address"`
	Token     string             `bson:"token"`
	Exclusive bool               `bson:"exclusive"`
	Released  bool               `bson:"released"`
	TTLMS     int64              `bson:"ttl_ms"`
	Renewed   primitive.DateTime `bson:"renewed"`
}

func (l leaseDoc) age(now time.Time) time.Duration { return now.Sub(l.Renewed.Time()) }

func (l leaseDoc) free(now time.Time) bool {
	return l.N == 0 || l.Released || l.age(now) >= time.Duration(l.TTLMS)*time.Millisecond
}

func (d *DB) lease(ctx context.Context, db *mongo.Database) (out database.Lease, err error) {
	var l leaseDoc
	found, err := latest(ctx, db, leases, d.opt.Service, &l)
	if err != nil || !found || l.Released {
		return out, err
	}
	at, err := now(ctx, db)
	if err != nil {
		return out, err
	}
	return database.Lease{Holder: l.Holder, Replica: l.Replica, Release: l.Release, Address: l.Address, Token: l.Token,
		Exclusive: l.Exclusive, AgeMS: l.age(at).Milliseconds(), Alive: !l.free(at)}, nil
}

// Acquire claims the next holding if the latest is free. There is no early evidence of death here: a silent holder's lease
// runs out, and nothing else ends it.
func (d *DB) Acquire(ctx context.Context, c database.Claim) (database.Holding, error) {
	client, err := d.connect(ctx)
	if err != nil {
		return nil, err
	}
	h := &holding{client: client, db: client.Database(d.name), service: d.opt.Service}
	if err := h.acquire(ctx, c, d.opt.LeaseTTL); err != nil {
		disconnect(client)
		return nil, err
	}
	return h, nil
}

type holding struct {
	client  *mongo.Client
	db      *mongo.Database
	service string
	doc     leaseDoc
}

func (h *holding) acquire(ctx context.Context, c database.Claim, ttl time.Duration) error {
	var l leaseDoc
	if _, err := latest(ctx, h.db, leases, h.service, &l); err != nil {
		return err
	}
	at, err := now(ctx, h.db)
	if err != nil {
		return err
	}
	if !c.Force && !l.free(at) && l.Holder != c.Holder {
		return database.ErrHeld
	}
	h.doc = leaseDoc{ID: claimed(h.service, l.N+1), Service: h.service, N: l.N + 1, Holder: c.Holder, Replica: text(c.Replica),
		Release: text(c.Release), Address: c.Address, Token: c.Token, Exclusive: c.Exclusive, TTLMS: ttl.Milliseconds(), Renewed: primitive.NewDateTimeFromTime(at)}
	_, err = h.db.Collection(leases).InsertOne(ctx, h.doc)
	if !mongo.IsDuplicateKeyError(err) {
		return sorted(err)
	}
	if _, err := latest(ctx, h.db, leases, h.service, &l); err != nil {
		return err
	}
	if l.Holder != c.Holder { // else it is our own insert, sent twice by the driver
		return database.ErrHeld
	}
	return nil
}

// Renew writes the server's time into our own document, if it is still the latest.
func (h *holding) Renew(ctx context.Context) error {
	var l leaseDoc
	if _, err := latest(ctx, h.db, leases, h.service, &l); err != nil {
		return err
	}
	if l.ID != h.doc.ID || l.Holder != h.doc.Holder || l.Released {
		return database.ErrHeld
	}
	return h.update(ctx, bson.D{{Key: "$currentDate", Value: bson.D{{Key: "renewed", Value: true}}}})
}

func (h *holding) update(ctx context.Context, change bson.D) error {
	res, err := h.db.Collection(leases).UpdateOne(ctx, bson.D{{Key: "_id", Value: h.doc.ID}, {Key: "holder", Value: h.doc.Holder}}, change)
	if err != nil {
		return sorted(err)
	}
	if res.MatchedCount == 0 {
		return fmt.Errorf("%w: its document is gone", database.ErrHeld)
	}
	return nil
}

// Release marks the holding as given back; it stays as the number to count on from.
func (h *holding) Release(ctx context.Context) error {
	defer disconnect(h.client)
	return h.update(ctx, bson.D{{Key: "$set", Value: bson.D{{Key: "released", Value: true}}}})
}
