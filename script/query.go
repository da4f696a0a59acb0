package script

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dop251/goja"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

// findOneAnd returns the document before or after the change. The whole reply comes from the command itself, which the driver does not retry.
func (c *call) findOneAnd() (goja.Value, error) {
	filter, err := c.named("filter", c.a)
	if err != nil {
		return nil, err
	}
	f, err := c.args.updateFields()
	if err != nil {
		return nil, err
	}
	sort, _, err := c.args.document("sort")
	if err != nil {
		return nil, err
	}
	projection, _, err := c.args.document("projection")
	if err != nil {
		return nil, err
	}
	after, _ := c.args.text("returnDocument")
	which := options.Before
	if after == "after" {
		which = options.After
	}
	var change any
	switch c.op {
	case "findOneAndUpdate":
		change, err = c.changes(c.b)
	case "findOneAndReplace":
		change, err = c.named("replacement", c.b)
	}
	if err != nil {
		return nil, err
	}
	var doc bson.Raw
	err = c.do(func(ctx context.Context, left time.Duration) (err error) {
		var limit *time.Duration
		if left > 0 {
			limit = &left
		}
		var r *mongo.SingleResult
		switch c.op {
		case "findOneAndUpdate":
			r = c.coll.FindOneAndUpdate(ctx, filter, change, &options.FindOneAndUpdateOptions{ArrayFilters: f.filters, BypassDocumentValidation: f.bypass,
				Collation: f.collation, Comment: f.comment, MaxTime: limit, Projection: orNil(projection), ReturnDocument: &which, Sort: orNil(sort), Upsert: f.upsert, Hint: f.hint, Let: f.let})
		case "findOneAndReplace":
			r = c.coll.FindOneAndReplace(ctx, filter, change, &options.FindOneAndReplaceOptions{BypassDocumentValidation: f.bypass,
				Collation: f.collation, Comment: f.comment, MaxTime: limit, Projection: orNil(projection), ReturnDocument: &which, Sort: orNil(sort), Upsert: f.upsert, Hint: f.hint, Let: f.let})
		default:
			r = c.coll.FindOneAndDelete(ctx, filter, &options.FindOneAndDeleteOptions{
				Collation: f.collation, Comment: f.comment, MaxTime: limit, Projection: orNil(projection), Sort: orNil(sort), Hint: f.hint, Let: f.let})
		}
		doc, err = r.Raw()
		return err
	})
	if errors.Is(err, mongo.ErrNoDocuments) {
		return goja.Null(), nil
	}
	if err != nil {
		return nil, err
	}
	return c.m.object(doc, c.args.shape())
}

// orNil keeps a missing document from being a typed nil inside an interface.
func orNil(raw bson.Raw) any {
	if raw == nil {
		return nil
	}
	return raw
}

func (c *call) count() (goja.Value, error) {
	filter := bson.Raw(nil)
	var err error
	if c.op == "countDocuments" {
		if filter, err = c.named("filter", c.a); err != nil {
			return nil, err
		}
	}
	f, err := c.args.updateFields()
	if err != nil {
		return nil, err
	}
	o := &options.CountOptions{Collation: f.collation, Hint: f.hint}
	if n, ok := c.args.integer("limit"); ok {
		o.SetLimit(n)
	}
	if n, ok := c.args.integer("skip"); ok {
		o.SetSkip(n)
	}
	var n int64
	err = c.do(func(ctx context.Context, left time.Duration) (err error) {
		if c.op == "estimatedDocumentCount" {
			n, err = c.coll.EstimatedDocumentCount(ctx)
			return err
		}
		if left > 0 {
			o.SetMaxTime(left)
		}
		n, err = c.coll.CountDocuments(ctx, filter, o)
		return err
	})
	return c.m.vm.ToValue(n), err
}

// distinct hides the deadline from the driver: FerretDB knows no maxTimeMS there, and a read that runs on does no harm.
func (c *call) distinct() (goja.Value, error) {
	if !goja.IsString(c.a) {
		return nil, fmt.Errorf("distinct: expected a field's name, not %s", text(c.a))
	}
	filter, err := c.named("filter", c.b)
	if err != nil {
		return nil, err
	}
	o := &options.DistinctOptions{}
	o.Collation, _ = c.args.collation()
	var values []any
	err = c.do(func(ctx context.Context, _ time.Duration) (err error) {
		plain, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
		defer cancel(nil)
		defer context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })()
		values, err = c.coll.Distinct(plain, c.a.String(), filter, o)
		return err
	})
	if err != nil {
		return nil, err
	}
	items := make([]any, len(values))
	for i, v := range values {
		item, err := c.m.fromGo(v)
		if err != nil {
			return nil, err
		}
		if v == nil {
			item = goja.Null()
		}
		items[i] = item
	}
	return c.m.vm.NewArray(items...), nil
}

func (c *call) find() (goja.Value, error) {
	filter, err := c.named("filter", c.a)
	if err != nil {
		return nil, err
	}
	o, err := c.findOptions()
	if err != nil {
		return nil, err
	}
	return c.open(func(ctx context.Context, left time.Duration) (*mongo.Cursor, error) {
		if left > 0 {
			o.SetMaxTime(left)
		}
		return c.coll.Find(ctx, filter, o)
	})
}

func (c *call) findOptions() (*options.FindOptions, error) {
	o := options.Find()
	for name, set := range map[string]func(any) *options.FindOptions{"sort": o.SetSort, "projection": o.SetProjection, "min": o.SetMin, "max": o.SetMax, "let": o.SetLet} {
		v, ok, err := c.args.document(name)
		if err != nil {
			return nil, err
		}
		if ok {
			set(v)
		}
	}
	for name, set := range map[string]func(bool) *options.FindOptions{
		"allowDiskUse": o.SetAllowDiskUse, "noCursorTimeout": o.SetNoCursorTimeout, "returnKey": o.SetReturnKey, "showRecordId": o.SetShowRecordID} {
		if v, ok := c.args.flag(name); ok {
			set(v)
		}
	}
	for name, set := range map[string]func(int64) *options.FindOptions{"limit": o.SetLimit, "skip": o.SetSkip} {
		if n, ok := c.args.integer(name); ok {
			set(n)
		}
	}
	if n, ok := c.args.integer("batchSize"); ok {
		o.SetBatchSize(int32(n))
	}
	if col, ok := c.args.collation(); ok {
		o.SetCollation(col)
	}
	if s, ok := c.args.text("comment"); ok {
		o.SetComment(s)
	}
	hint, ok, err := c.args.hint()
	if ok {
		o.SetHint(hint)
	}
	return o, err
}

func (c *call) aggregate() (goja.Value, error) {
	stages, err := c.m.documents(c.a)
	if err != nil {
		return nil, fmt.Errorf("pipeline: %w", err)
	}
	pipeline := make(bson.A, len(stages))
	for i, s := range stages {
		pipeline[i] = s
	}
	f, err := c.args.updateFields()
	if err != nil {
		return nil, err
	}
	o := &options.AggregateOptions{BypassDocumentValidation: f.bypass, Collation: f.collation, Hint: f.hint, Let: f.let}
	if v, ok := c.args.flag("allowDiskUse"); ok {
		o.SetAllowDiskUse(v)
	}
	if n, ok := c.args.integer("batchSize"); ok {
		o.SetBatchSize(int32(n))
	}
	if s, ok := c.args.text("comment"); ok {
		o.SetComment(s)
	}
	return c.open(func(ctx context.Context, left time.Duration) (*mongo.Cursor, error) {
		if left > 0 {
			o.SetMaxTime(left)
		}
		if c.coll == nil {
			return c.db.Aggregate(ctx, pipeline, o)
		}
		return c.coll.Aggregate(ctx, pipeline, o)
	})
}
