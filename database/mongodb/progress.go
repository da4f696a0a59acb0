package mongodb

import (
	"context"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
	"go.mongodb.org/mongo-driver/mongo/options"

	"github.com/schemagate/schemagate/database"
)

const progresses = "schemagate_backfill"

// progressDoc is one backfill. Its leader and the operator write different fields of it.
type progressDoc struct {
	ID       string             `bson:"_id"`
	Service  string             `bson:"service"`
	Version  string             `bson:"version"`
	Checksum string             `bson:"checksum"`
	Shape    string             `bson:"shape"`
	Since    int64              `bson:"since"`
	State    string             `bson:"state"`
	Reason   string             `bson:"reason"`
	Pass     int64              `bson:"pass"`
	Position string             `bson:"position"`
	Walked   int64              `bson:"walked"`
	Changed  int64              `bson:"changed"`
	Batches  int64              `bson:"batches"`
	Total    int64              `bson:"total"`
	Left     int64              `bson:"remaining"`
	ActiveMS int64              `bson:"active_ms"`
	Wish     string             `bson:"wish"`
	WishBy   string             `bson:"wish_by"`
	Replica  string             `bson:"replica"`
	Updated  primitive.DateTime `bson:"updated_at"`
}

func (d progressDoc) progress() database.Progress {
	return database.Progress{Version: d.Version, Checksum: d.Checksum, Shape: d.Shape, Since: d.Since, State: d.State, Reason: d.Reason, Pass: int(d.Pass),
		Position: d.Position, Walked: d.Walked, Changed: d.Changed, Batches: d.Batches, Total: d.Total, Left: d.Left, ActiveMS: d.ActiveMS, Wish: d.Wish,
		WishBy: d.WishBy, Replica: d.Replica, UpdatedAt: d.Updated.Time()}
}

func progressID(service, version string) bson.D {
	return bson.D{{Key: "_id", Value: service + "/" + version}}
}

// Backfills lists the progress of a service's backfills.
func (d *DB) Backfills(ctx context.Context, service string) ([]database.Progress, error) {
	db, err := d.database(ctx)
	if err != nil {
		return nil, err
	}
	cur, err := db.Collection(progresses).Find(ctx, bson.D{{Key: "service", Value: service}}, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}))
	if err != nil {
		return nil, sorted(err)
	}
	var docs []progressDoc
	if err := cur.All(ctx, &docs); err != nil {
		return nil, sorted(err)
	}
	out := make([]database.Progress, len(docs))
	for i, doc := range docs {
		out[i] = doc.progress()
	}
	return out, nil
}

// Wish leaves the operator's word. It needs no term: the leader obeys it between batches.
func (d *DB) Wish(ctx context.Context, service, version, wish, by string) error {
	db, err := d.database(ctx)
	if err != nil {
		return err
	}
	set := bson.D{{Key: "service", Value: service}, {Key: "version", Value: version}, {Key: "wish", Value: wish}, {Key: "wish_by", Value: by}}
	_, err = db.Collection(progresses).UpdateOne(ctx, progressID(service, version), bson.D{{Key: "$set", Value: set}}, options.Update().SetUpsert(true))
	if err == nil && wish == "" {
		over := append(progressID(service, version), bson.E{Key: "state", Value: bson.D{{Key: "$in", Value: bson.A{"failed", "cancelled"}}}})
		_, err = db.Collection(progresses).UpdateOne(ctx, over, bson.D{{Key: "$set", Value: bson.D{{Key: "state", Value: "pending"}}}})
	}
	return sorted(err)
}
