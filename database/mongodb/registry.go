package mongodb

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"github.com/schemagate/schemagate/database"
)

type replicaDoc struct {
	ID      string             `bson:"_id"`
	Service string             `bson:"service"`
	Replica string             `bson:"id"`
	Name    string             `bson:"replica"`
	Release string             `bson:"release"`
	Version string             `bson:"version"`
	Digest  string             `bson:"digest"`
	State   string             `bson:"state"`
	Beats   int64              `bson:"beats"`
	Seen    primitive.DateTime `bson:"seen_at"`
}

func (d *DB) rowID(id string) string { return d.opt.Service + "/" + id }

// Register writes with majority concern, so that a failover does not lose what it has acknowledged. Only the replica itself
// writes its document.
func (d *DB) Register(ctx context.Context, r database.Replica) error {
	db, err := d.database(ctx)
	if err != nil {
		return err
	}
	_, ready, err := fence(ctx, db, d.opt.Service)
	if err != nil {
		return err
	}
	if !ready {
		return database.ErrNotPrepared
	}
	_, err = db.Collection(replicas).UpdateOne(ctx, bson.D{{Key: "_id", Value: d.rowID(r.ID)}}, bson.D{
		{Key: "$set", Value: bson.D{{Key: "service", Value: d.opt.Service}, {Key: "id", Value: r.ID}, {Key: "replica", Value: text(r.Name)},
			{Key: "release", Value: text(r.Release)}, {Key: "version", Value: text(r.Version)}, {Key: "digest", Value: r.Digest}, {Key: "state", Value: r.State}}},
		{Key: "$inc", Value: bson.D{{Key: "beats", Value: int64(1)}}},
		{Key: "$currentDate", Value: bson.D{{Key: "seen_at", Value: true}}},
	}, options.Update().SetUpsert(true))
	if mongo.IsDuplicateKeyError(err) { // two init-only replicas of one set at once: the row is there
		return nil
	}
	return sorted(err)
}

// Deregister removes documents.
func (d *DB) Deregister(ctx context.Context, ids ...string) error {
	db, err := d.database(ctx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if _, err := db.Collection(replicas).DeleteOne(ctx, bson.D{{Key: "_id", Value: d.rowID(id)}}); err != nil {
			return sorted(err)
		}
	}
	return nil
}

func (d *DB) known(ctx context.Context, db *mongo.Database, id string) (bool, error) {
	err := db.Collection(replicas).FindOne(ctx, bson.D{{Key: "_id", Value: d.rowID(id)}}).Err()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return false, nil
	}
	return err == nil, sorted(err)
}

// Registry reads all documents of the service, and which server answered since when: a primary that took over is another one.
func (d *DB) Registry(ctx context.Context) (out database.Registry, err error) {
	db, err := d.database(ctx)
	if err != nil {
		return out, err
	}
	var hello struct {
		Me         string             `bson:"me"`
		ElectionID primitive.ObjectID `bson:"electionId"`
		Topology   struct {
			Process primitive.ObjectID `bson:"processId"`
		} `bson:"topologyVersion"`
		LocalTime primitive.DateTime `bson:"localTime"`
	}
	if err := db.RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&hello); err != nil {
		return out, sorted(err)
	}
	out.Server = hello.Me + " " + hello.ElectionID.Hex() + " " + hello.Topology.Process.Hex()
	cur, err := db.Collection(replicas).Find(ctx, bson.D{{Key: "service", Value: d.opt.Service}},
		options.Find().SetSort(bson.D{{Key: "release", Value: 1}, {Key: "replica", Value: 1}, {Key: "_id", Value: 1}}))
	if err != nil {
		return out, sorted(err)
	}
	var docs []replicaDoc
	if err := cur.All(ctx, &docs); err != nil {
		return out, sorted(err)
	}
	for _, r := range docs {
		out.Replicas = append(out.Replicas, database.Replica{ID: r.Replica, Name: r.Name, Release: r.Release, Version: r.Version, Digest: r.Digest,
			State: r.State, Beat: beat(r), AgeMS: max(0, hello.LocalTime.Time().Sub(r.Seen.Time())).Milliseconds()})
	}
	return out, nil
}

func beat(r replicaDoc) string {
	return time.Duration(r.Beats).String() + r.Seen.Time().UTC().Format(time.RFC3339Nano)
}
