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

	"github.com/schemagate/schemagate/database"
)

type eventDoc struct {
	ID       string             `bson:"_id"`
	Service  string             `bson:"service"`
	N        int64              `bson:"n"`
	Kind     string             `bson:"kind"`
	Version  string             `bson:"version"`
	Name     string             `bson:"name"`
	Checksum string             `bson:"checksum"`
	Digest   string             `bson:"digest"`
	Term     int64              `bson:"term"`
	Holder   string             `bson:"holder"`
	Release  string             `bson:"release"`
	Replica  string             `bson:"replica"`
	At       primitive.DateTime `bson:"at"`
	US       int64              `bson:"duration_us"`
	Done     int64              `bson:"done"`
	Trying   int64              `bson:"trying"`
	Prefix   string             `bson:"prefix"`
	Code     string             `bson:"code"`
	Error    string             `bson:"error"`
	Note     string             `bson:"note"`
	Format   string             `bson:"format"`
	Down     *string            `bson:"down"`
}

func (e eventDoc) event() database.Event {
	return database.Event{ID: e.N, Kind: database.Kind(e.Kind), Version: e.Version, Name: e.Name, Checksum: e.Checksum, Digest: e.Digest,
		Term: e.Term, Holder: e.Holder, Release: e.Release, Replica: e.Replica, At: e.At.Time(), Duration: time.Duration(e.US) * time.Microsecond,
		Done: int(e.Done), Trying: int(e.Trying), Prefix: e.Prefix, Code: e.Code, Error: e.Error, Note: e.Note, Format: e.Format, Down: e.Down}
}

// text drops what BSON's readers elsewhere choke on.
func text(s string) string { return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD") }

func (s *session) doc(e database.Event, at time.Time) eventDoc {
	d := eventDoc{Service: s.db.opt.Service, Kind: string(e.Kind), Version: text(e.Version), Name: text(e.Name), Checksum: text(e.Checksum), Digest: text(e.Digest),
		Term: s.term.Number, Holder: s.term.Holder, Release: text(s.origin.Release), Replica: text(s.origin.Replica), At: primitive.NewDateTimeFromTime(at),
		US: e.Duration.Microseconds(), Done: int64(e.Done), Trying: int64(e.Trying), Prefix: e.Prefix, Code: text(e.Code), Error: text(e.Error),
		Note: text(e.Note), Format: text(e.Format)}
	if e.Down != nil {
		down := text(*e.Down)
		d.Down = &down
	}
	return d
}

// find returns the service's events that match, in order.
func find(ctx context.Context, db *mongo.Database, service string, downs bool, more ...bson.E) ([]eventDoc, error) {
	o := options.Find().SetSort(bson.D{{Key: "_id", Value: 1}})
	if !downs {
		o.SetProjection(bson.D{{Key: "down", Value: 0}})
	}
	cur, err := db.Collection(histories).Find(ctx, append(bson.D{{Key: "service", Value: service}}, more...), o)
	if err != nil {
		return nil, sorted(err)
	}
	var docs []eventDoc
	return docs, sorted(cur.All(ctx, &docs))
}

// History reads all events.
func (d *DB) History(ctx context.Context, downs bool) ([]database.Event, error) {
	db, err := d.database(ctx)
	if err != nil {
		return nil, err
	}
	docs, err := find(ctx, db, d.opt.Service, downs)
	out := make([]database.Event, len(docs))
	for i, doc := range docs {
		out[i] = doc.event()
	}
	return out, err
}

// Glance asks for the latest event that decides about gates.
func (d *DB) Glance(ctx context.Context, digest string) (open, init bool, err error) {
	db, err := d.database(ctx)
	if err != nil {
		return false, false, err
	}
	kinds := bson.A{}
	for _, k := range database.Decides {
		kinds = append(kinds, string(k))
	}
	var e eventDoc
	err = db.Collection(histories).FindOne(ctx, bson.D{{Key: "service", Value: d.opt.Service}, {Key: "$or", Value: bson.A{
		bson.D{{Key: "kind", Value: string(database.Complete)}, {Key: "digest", Value: digest}},
		bson.D{{Key: "kind", Value: bson.D{{Key: "$in", Value: kinds}}}},
	}}}, options.FindOne().SetSort(bson.D{{Key: "_id", Value: -1}}).SetProjection(bson.D{{Key: "down", Value: 0}})).Decode(&e)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return false, false, nil
	}
	if err != nil || e.Kind != string(database.Complete) {
		return false, false, sorted(err)
	}
	init, err = d.known(ctx, db, database.InitReplica(digest))
	return true, init, err
}

// Look asks a handful of small questions; no server of this protocol answers them all at once everywhere.
func (d *DB) Look(ctx context.Context, q database.Query) (v database.View, err error) {
	db, err := d.database(ctx)
	if err != nil {
		return v, err
	}
	if v.Fence, v.Ready, err = fence(ctx, db, d.opt.Service); err != nil || !v.Ready {
		return v, err
	}
	kinds := bson.A{string(database.Complete), string(database.RolledBack), string(database.Failed), string(database.Floor),
		string(database.CutoverBegan), string(database.CutoverEnded)}
	docs, err := find(ctx, db, d.opt.Service, false, bson.E{Key: "kind", Value: bson.D{{Key: "$in", Value: kinds}}})
	if err != nil {
		return v, err
	}
	for _, e := range docs {
		switch database.Kind(e.Kind) {
		case database.Complete:
			if e.Digest == q.Digest {
				v.Complete, v.Undone = e.N, nil
			}
		case database.RolledBack:
			if v.Complete > 0 {
				v.Undone = append(v.Undone, e.Version)
			}
		case database.Failed:
			if q.Since >= 0 && e.N > q.Since {
				v.Failures = append([]database.Event{e.event()}, v.Failures...)
			}
		case database.Floor:
			v.Floor = e.Version
		case database.CutoverBegan, database.CutoverEnded:
			v.Cutover = database.Cutover{ID: e.N, Digest: e.Digest, Under: e.Kind == string(database.CutoverBegan), Note: e.Note}
		}
	}
	var last eventDoc
	if _, err = latest(ctx, db, histories, d.opt.Service, &last); err != nil {
		return v, err
	}
	v.Last = last.N
	if v.Init, err = d.known(ctx, db, database.InitReplica(q.Digest)); err != nil {
		return v, err
	}
	v.Lease, err = d.lease(ctx, db)
	return v, err
}

// appended claims the next number for each event. Whoever else claims it first wrote under a term of its own: the fence is
// asked again before every try.
func (s *session) appended(ctx context.Context, events ...database.Event) error {
	at, err := now(ctx, s.mdb)
	if err != nil {
		return err
	}
	for _, e := range events {
		doc := s.doc(e, at)
		for claimedIt := false; !claimedIt; {
			if err := checked(ctx, s.mdb, s.db.opt.Service, s.term); err != nil {
				return err
			}
			var last eventDoc
			if _, err := latest(ctx, s.mdb, histories, s.db.opt.Service, &last); err != nil {
				return err
			}
			doc.N = last.N + 1
			doc.ID = claimed(s.db.opt.Service, doc.N)
			_, err := s.mdb.Collection(histories).InsertOne(ctx, doc)
			switch {
			case err == nil:
				claimedIt = true
			case mongo.IsDuplicateKeyError(err):
			default:
				if err = sorted(err); errors.Is(err, database.ErrUnreachable) {
					err = fmt.Errorf("%w: %w", database.ErrUnknown, err)
				}
				return err
			}
		}
	}
	return nil
}
