package mongodb

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/script"
)

// maxBatchBytes bounds the documents that a script's batch holds in memory.
const maxBatchBytes = 8 << 20

// Begin returns the recorded progress, or a fresh start's.
func (s *session) Begin(ctx context.Context, b database.Backfill) (database.Progress, error) {
	p := b.Fresh()
	var doc progressDoc
	err := s.mdb.Collection(progresses).FindOne(ctx, progressID(b.Service, b.Version)).Decode(&doc)
	if err == nil {
		p, _ = b.Continues(doc.progress())
	} else if !errors.Is(err, mongo.ErrNoDocuments) {
		return p, sorted(err)
	}
	if _, err := s.batchProgram(ctx, b); err != nil {
		return p, err
	}
	return s.Mark(ctx, b, p)
}

// batchProgram compiles the script once; nil where the batch is a filter and an update.
func (s *session) batchProgram(ctx context.Context, b database.Backfill) (*script.Program, error) {
	if b.Language != "js" {
		return nil, nil
	}
	if p := s.programs[b.Version]; p != nil {
		return p, nil
	}
	p, err := script.Compile(b.File, b.Text)
	if err != nil {
		return nil, s.batchError(ctx, b, err)
	}
	if !p.Has(ctx, "batch") {
		return nil, b.Fault("it exports no function batch: export async batch(docs, db)")
	}
	if p.Has(ctx, "verify") {
		return nil, b.Fault("verify has no place in a backfill: what its filter finds is what is left; verify in the next migration")
	}
	if s.programs == nil {
		s.programs = map[string]*script.Program{}
	}
	s.programs[b.Version] = p
	return p, nil
}

// Mark records the progress, and then the events: a successor that finds the first without the others records them again.
func (s *session) Mark(ctx context.Context, b database.Backfill, p database.Progress, events ...database.Event) (database.Progress, error) {
	if err := s.trusted(ctx); err != nil {
		return p, err
	}
	if err := s.store(ctx, b, &p); err != nil {
		return p, err
	}
	return p, s.appended(ctx, events...)
}

// trusted looks at the lease and at the fence.
func (s *session) trusted(ctx context.Context) error {
	if err := s.before(ctx); err != nil {
		return err
	}
	return checked(ctx, s.mdb, s.db.opt.Service, s.term)
}

func (s *session) store(ctx context.Context, b database.Backfill, p *database.Progress) error {
	at, err := now(ctx, s.mdb)
	if err != nil {
		return err
	}
	set := bson.D{
		{Key: "service", Value: b.Service}, {Key: "version", Value: b.Version}, {Key: "checksum", Value: p.Checksum}, {Key: "shape", Value: text(p.Shape)},
		{Key: "since", Value: p.Since}, {Key: "state", Value: p.State}, {Key: "reason", Value: text(p.Reason)}, {Key: "pass", Value: int64(p.Pass)},
		{Key: "position", Value: p.Position}, {Key: "walked", Value: p.Walked}, {Key: "changed", Value: p.Changed}, {Key: "batches", Value: p.Batches},
		{Key: "total", Value: p.Total}, {Key: "remaining", Value: p.Left}, {Key: "active_ms", Value: p.ActiveMS}, {Key: "term", Value: s.term.Number},
		{Key: "holder", Value: s.term.Holder}, {Key: "release", Value: text(s.origin.Release)}, {Key: "replica", Value: text(s.origin.Replica)},
		{Key: "updated_at", Value: primitive.NewDateTimeFromTime(at)},
	}
	coll := s.mdb.Collection(progresses)
	if _, err := coll.UpdateOne(ctx, progressID(b.Service, b.Version), bson.D{{Key: "$set", Value: set}}, options.Update().SetUpsert(true)); err != nil {
		if err = sorted(err); errors.Is(err, database.ErrUnreachable) {
			err = fmt.Errorf("%w: %w", database.ErrUnknown, err)
		}
		return err
	}
	var doc progressDoc
	if err := coll.FindOne(ctx, progressID(b.Service, b.Version)).Decode(&doc); err != nil {
		return sorted(err)
	}
	p.Wish, p.WishBy, p.Replica = doc.Wish, doc.WishBy, s.origin.Replica
	return nil
}

// Batch moves the next documents, and then records the cursor: whoever dies in between leaves one batch to be repeated.
func (s *session) Batch(ctx context.Context, b database.Backfill, p database.Progress, limit int) (database.Progress, int, error) {
	began := time.Now()
	if err := s.trusted(ctx); err != nil {
		return p, 0, err
	}
	docs, keys, err := s.next(ctx, b, p.Position, limit)
	if err != nil || len(docs) == 0 {
		return p, 0, err
	}
	if left, ok := database.Trust(ctx); ok { // the server gives up when the lease has run out
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, left, database.ErrInterrupted)
		defer cancel()
	}
	changed, err := s.move(ctx, b, docs, keys)
	if err != nil {
		return p, 0, err
	}
	if p.Batches == 0 && b.Where != "" { // the first batch proves that the change and the filter agree
		still, err := s.counted(ctx, b, within(b.Key, keys))
		if err != nil {
			return p, 0, err
		}
		if still == int64(len(docs)) {
			return p, 0, b.Fault("the filter still finds all %d documents of the first batch after their change", still)
		}
	}
	position, err := bson.MarshalExtJSON(bson.D{{Key: "key", Value: keys[len(keys)-1]}}, true, false)
	if err != nil {
		return p, 0, b.Fault("the key can't be recorded: %v", err)
	}
	p.Position = string(position)
	p.Batches++
	p.Walked += int64(len(docs))
	p.Changed += changed
	p.ActiveMS += max(1, time.Since(began).Milliseconds())
	return p, len(docs), s.store(ctx, b, &p)
}

// next reads the documents behind the cursor; for an update only their keys.
func (s *session) next(ctx context.Context, b database.Backfill, position string, limit int) (docs []bson.Raw, keys []bson.A, err error) {
	query, err := filterOf(b)
	if err != nil {
		return nil, nil, err
	}
	if position != "" {
		var at struct {
			Key bson.A `bson:"key"`
		}
		if err := bson.UnmarshalExtJSON([]byte(position), true, &at); err != nil || len(at.Key) != len(b.Key) {
			return nil, nil, b.Fault("the recorded cursor does not fit the key: %v", err)
		}
		query = append(query, behind(b.Key, at.Key))
	}
	order, show := bson.D{}, bson.D{}
	for _, k := range b.Key {
		order, show = append(order, bson.E{Key: k, Value: 1}), append(show, bson.E{Key: k, Value: 1})
	}
	o := options.Find().SetSort(order).SetLimit(int64(limit)).SetBatchSize(int32(min(limit, 1000)))
	if b.Language != "js" {
		o.SetProjection(show)
	}
	cur, err := s.mdb.Collection(b.Table).Find(ctx, all(query), o)
	if err != nil {
		return nil, nil, s.batchError(ctx, b, err)
	}
	defer func() { _ = cur.Close(context.WithoutCancel(ctx)) }() // the server forgets it by itself
	bytes := 0
	for bytes < maxBatchBytes && cur.Next(ctx) {
		doc := bson.Raw(append([]byte(nil), cur.Current...))
		key := bson.A{}
		for _, k := range b.Key {
			v, err := doc.LookupErr(strings.Split(k, ".")...)
			if err != nil {
				return nil, nil, b.Fault("a document has no %s: give a key that all have", k)
			}
			key = append(key, v)
		}
		bytes += len(doc)
		docs, keys = append(docs, doc), append(keys, key)
	}
	return docs, keys, s.batchError(ctx, b, cur.Err())
}

// behind finds keys after the values: a > x, or a = x and b > y.
func behind(key []string, values bson.A) bson.D {
	var or bson.A
	for i := range key {
		cond := bson.D{}
		for j := range i {
			cond = append(cond, bson.E{Key: key[j], Value: values[j]})
		}
		or = append(or, append(cond, bson.E{Key: key[i], Value: bson.D{{Key: "$gt", Value: values[i]}}}))
	}
	if len(or) == 1 {
		return or[0].(bson.D)
	}
	return bson.D{{Key: "$or", Value: or}}
}

// within finds exactly the keys: a range would leave out those of another type.
func within(key []string, keys []bson.A) bson.D {
	var list bson.A
	if len(key) == 1 {
		for _, k := range keys {
			list = append(list, k[0])
		}
		return bson.D{{Key: key[0], Value: bson.D{{Key: "$in", Value: list}}}}
	}
	for _, k := range keys {
		cond := bson.D{}
		for i := range key {
			cond = append(cond, bson.E{Key: key[i], Value: k[i]})
		}
		list = append(list, cond)
	}
	return bson.D{{Key: "$or", Value: list}}
}

func filterOf(b database.Backfill) ([]bson.D, error) {
	if b.Where == "" {
		return nil, nil
	}
	var d bson.D
	if err := bson.UnmarshalExtJSON([]byte(b.Where), false, &d); err != nil {
		return nil, b.Fault("the filter: %v", err)
	}
	return []bson.D{d}, nil
}

func all(conds []bson.D) bson.D {
	switch len(conds) {
	case 0:
		return bson.D{}
	case 1:
		return conds[0]
	}
	list := bson.A{}
	for _, c := range conds {
		list = append(list, c)
	}
	return bson.D{{Key: "$and", Value: list}}
}

// move makes the change of one batch.
func (s *session) move(ctx context.Context, b database.Backfill, docs []bson.Raw, keys []bson.A) (int64, error) {
	p, err := s.batchProgram(ctx, b)
	if err != nil {
		return 0, err
	}
	if p != nil {
		err := p.RunBatch(ctx, docs, s.mdb, s.options(ctx, database.Change{StatementTimeout: b.StatementTimeout}))
		return int64(len(docs)), s.batchError(ctx, b, err)
	}
	var change struct {
		Update any `bson:"update"`
	}
	if err := bson.UnmarshalExtJSON([]byte(`{"update": `+b.Update+`}`), false, &change); err != nil {
		return 0, b.Fault("the update: %v", err)
	}
	query, err := filterOf(b)
	if err != nil {
		return 0, err
	}
	res, err := s.mdb.Collection(b.Table).UpdateMany(ctx, all(append(query, within(b.Key, keys))), change.Update)
	if err != nil {
		return 0, s.batchError(ctx, b, err)
	}
	return res.MatchedCount, nil
}

func (s *session) counted(ctx context.Context, b database.Backfill, more ...bson.D) (int64, error) {
	query, err := filterOf(b)
	if err != nil {
		return 0, err
	}
	n, err := s.mdb.Collection(b.Table).CountDocuments(ctx, all(append(query, more...)))
	return n, s.batchError(ctx, b, err)
}

// Left counts what the filter finds.
func (s *session) Left(ctx context.Context, b database.Backfill) (int64, error) {
	return s.counted(ctx, b)
}

// Total is the server's guess.
func (s *session) Total(ctx context.Context, b database.Backfill) (int64, error) {
	n, err := s.mdb.Collection(b.Table).EstimatedDocumentCount(ctx)
	return n, s.batchError(ctx, b, err)
}

// batchError sorts what ended a batch.
func (s *session) batchError(ctx context.Context, b database.Backfill, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil || errors.Is(err, script.ErrOutOfTime) || errors.Is(err, database.ErrFenced) || mongo.IsNetworkError(err) || mongo.IsTimeout(err) {
		return fmt.Errorf("%w: %w", database.ErrInterrupted, err)
	}
	if se, ok := errors.AsType[*script.Error](err); ok {
		if mongo.IsNetworkError(se.Err) {
			return fmt.Errorf("%w: %w", database.ErrInterrupted, err)
		}
		out := &database.StatementError{File: b.File, Line: se.Line, Message: se.Message, Err: err}
		if se.Code != 0 {
			out.Code = strconv.Itoa(se.Code)
		}
		if se.Name != "" && se.Name != "Error" {
			out.Message = se.Name + ": " + se.Message
		}
		return out
	}
	if again := sorted(err); errors.Is(again, database.ErrUnreachable) || errors.Is(again, database.ErrDenied) {
		return again
	}
	return &database.StatementError{File: b.File, Line: b.Line, Message: err.Error(), Err: err}
}

var (
	_ database.Batcher   = (*session)(nil)
	_ database.Backfills = (*DB)(nil)
)
