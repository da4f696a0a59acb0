package script

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/dop251/goja"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

// changes is an update: a document of operators, or a pipeline.
func (c *call) changes(v goja.Value) (any, error) {
	if o, ok := v.(*goja.Object); ok && isList(o) {
		stages, err := c.m.documents(v)
		if err != nil {
			return nil, fmt.Errorf("update: %w", err)
		}
		return stages, nil
	}
	return c.named("update", v)
}

func (c *call) named(what string, v goja.Value) (bson.Raw, error) {
	raw, err := c.m.document(v)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return raw, nil
}

func (c *call) insertOne() (goja.Value, error) {
	doc, err := c.named("document", c.a)
	if err != nil {
		return nil, err
	}
	o := options.InsertOne()
	if v, ok := c.args.flag("bypassDocumentValidation"); ok {
		o.SetBypassDocumentValidation(v)
	}
	if v, ok, err := c.args.any("comment"); err != nil {
		return nil, err
	} else if ok {
		o.SetComment(v)
	}
	err = c.do(func(ctx context.Context, _ time.Duration) error {
		_, err := c.coll.InsertOne(ctx, doc, o)
		return err
	})
	return goja.Undefined(), err
}

// updateFields are the options that updates and deletes share; each is nil where it was not given.
type updateFields struct {
	upsert, bypass *bool
	filters        *options.ArrayFilters
	collation      *options.Collation
	hint, comment  any
	let            any
}

func (a args) updateFields() (f updateFields, err error) {
	if v, ok := a.flag("upsert"); ok {
		f.upsert = &v
	}
	if v, ok := a.flag("bypassDocumentValidation"); ok {
		f.bypass = &v
	}
	f.collation, _ = a.collation()
	if f.filters, _, err = a.arrayFilters(); err != nil {
		return f, err
	}
	if v, ok, err := a.hint(); err != nil {
		return f, err
	} else if ok {
		f.hint = v
	}
	if v, ok, err := a.any("comment"); err != nil {
		return f, err
	} else if ok {
		f.comment = v
	}
	if v, ok, err := a.document("let"); err != nil {
		return f, err
	} else if ok {
		f.let = v
	}
	return f, nil
}

func (c *call) update() (goja.Value, error) {
	filter, err := c.named("filter", c.a)
	if err != nil {
		return nil, err
	}
	f, err := c.args.updateFields()
	if err != nil {
		return nil, err
	}
	var replacement bson.Raw
	var change any
	if c.op == "replaceOne" {
		replacement, err = c.named("replacement", c.b)
	} else {
		change, err = c.changes(c.b)
	}
	if err != nil {
		return nil, err
	}
	o := &options.UpdateOptions{ArrayFilters: f.filters, BypassDocumentValidation: f.bypass, Collation: f.collation, Comment: f.comment, Hint: f.hint, Upsert: f.upsert, Let: f.let}
	var r *mongo.UpdateResult
	err = c.do(func(ctx context.Context, _ time.Duration) (err error) {
		switch c.op {
		case "updateOne":
			r, err = c.coll.UpdateOne(ctx, filter, change, o)
		case "updateMany":
			r, err = c.coll.UpdateMany(ctx, filter, change, o)
		default:
			r, err = c.coll.ReplaceOne(ctx, filter, replacement, &options.ReplaceOptions{
				BypassDocumentValidation: f.bypass, Collation: f.collation, Comment: f.comment, Hint: f.hint, Upsert: f.upsert, Let: f.let})
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	id, err := c.m.fromGo(r.UpsertedID)
	if r.UpsertedID == nil {
		id = goja.Null()
	}
	return c.object(field{"acknowledged", true}, field{"modifiedCount", r.ModifiedCount}, field{"upsertedId", id},
		field{"upsertedCount", r.UpsertedCount}, field{"matchedCount", r.MatchedCount}), err
}

type field struct {
	name  string
	value any
}

func (c *call) object(fields ...field) goja.Value {
	o := c.m.vm.NewObject()
	for _, f := range fields {
		_ = o.Set(f.name, f.value) // a plain object takes any property
	}
	return o
}

func (c *call) delete() (goja.Value, error) {
	filter, err := c.named("filter", c.a)
	if err != nil {
		return nil, err
	}
	f, err := c.args.updateFields()
	if err != nil {
		return nil, err
	}
	o := &options.DeleteOptions{Collation: f.collation, Comment: f.comment, Hint: f.hint, Let: f.let}
	var r *mongo.DeleteResult
	err = c.do(func(ctx context.Context, _ time.Duration) (err error) {
		if c.op == "deleteOne" {
			r, err = c.coll.DeleteOne(ctx, filter, o)
		} else {
			r, err = c.coll.DeleteMany(ctx, filter, o)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return c.object(field{"acknowledged", true}, field{"deletedCount", r.DeletedCount}), nil
}

// bulkWrite takes an array of {op, document, filter, update, replacement, ...options} that the prelude has checked.
func (c *call) bulkWrite() (goja.Value, error) {
	list := c.a.ToObject(c.m.vm)
	n := int(list.Get("length").ToInteger())
	models := make([]mongo.WriteModel, n)
	for i := range n {
		var err error
		if models[i], err = c.model(c.m.args(list.Get(strconv.Itoa(i)))); err != nil {
			return nil, fmt.Errorf("operation %d: %w", i, err)
		}
	}
	f, err := c.args.updateFields()
	if err != nil {
		return nil, err
	}
	o := &options.BulkWriteOptions{BypassDocumentValidation: f.bypass, Comment: f.comment, Let: f.let}
	ordered, given := c.args.flag("ordered")
	o.SetOrdered(ordered || !given)
	var r *mongo.BulkWriteResult
	err = c.do(func(ctx context.Context, _ time.Duration) (err error) {
		r, err = c.coll.BulkWrite(ctx, models, o)
		return err
	})
	var failed mongo.BulkWriteException
	if err != nil && !errors.As(err, &failed) {
		return nil, err
	}
	result, resultErr := c.bulkResult(r)
	if resultErr != nil {
		return nil, resultErr
	}
	if err != nil {
		var s *stop
		if errors.As(err, &s) {
			return nil, err
		}
		return nil, &bulkError{failed, result}
	}
	return result, nil
}

func (c *call) bulkResult(r *mongo.BulkWriteResult) (goja.Value, error) {
	if r == nil {
		r = &mongo.BulkWriteResult{}
	}
	ids := c.m.vm.NewObject()
	for i, id := range r.UpsertedIDs {
		v, err := c.m.fromGo(id)
		if err != nil {
			return nil, err
		}
		if err := ids.Set(strconv.FormatInt(i, 10), v); err != nil {
			return nil, err
		}
	}
	return c.object(field{"insertedCount", r.InsertedCount}, field{"matchedCount", r.MatchedCount}, field{"modifiedCount", r.ModifiedCount},
		field{"deletedCount", r.DeletedCount}, field{"upsertedCount", r.UpsertedCount}, field{"upsertedIds", ids}), nil
}

func (c *call) model(a args) (mongo.WriteModel, error) {
	op, _ := a.text("op")
	if op == "insertOne" {
		v, _ := a.value("document")
		doc, err := c.named("document", v)
		return &mongo.InsertOneModel{Document: doc}, err
	}
	v, _ := a.value("filter")
	filter, err := c.named("filter", v)
	if err != nil {
		return nil, err
	}
	f, err := a.updateFields()
	if err != nil {
		return nil, err
	}
	switch op {
	case "deleteOne":
		return &mongo.DeleteOneModel{Filter: filter, Collation: f.collation, Hint: f.hint}, nil
	case "deleteMany":
		return &mongo.DeleteManyModel{Filter: filter, Collation: f.collation, Hint: f.hint}, nil
	case "replaceOne":
		v, _ := a.value("replacement")
		doc, err := c.named("replacement", v)
		return &mongo.ReplaceOneModel{Filter: filter, Replacement: doc, Collation: f.collation, Hint: f.hint, Upsert: f.upsert}, err
	}
	u, _ := a.value("update")
	change, err := c.changes(u)
	if err != nil {
		return nil, err
	}
	if op == "updateOne" {
		return &mongo.UpdateOneModel{Filter: filter, Update: change, ArrayFilters: f.filters, Collation: f.collation, Hint: f.hint, Upsert: f.upsert}, nil
	}
	return &mongo.UpdateManyModel{Filter: filter, Update: change, ArrayFilters: f.filters, Collation: f.collation, Hint: f.hint, Upsert: f.upsert}, nil
}
