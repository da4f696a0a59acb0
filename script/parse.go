package script

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dop251/goja"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
)

// parse runs a change of a Parse class for a script.
func (c *call) parse() (goja.Value, error) {
	doc, err := c.m.document(c.a)
	if err != nil {
		return nil, err
	}
	change, err := readParseChange(doc)
	if err != nil {
		return nil, err
	}
	n, err := c.m.client.parse(c.ctx, c.db, change)
	if err != nil {
		return nil, err
	}
	return c.object(field{"modifiedCount", n}), nil
}

// parseRun applies one change. Documents come before the schema wherever the schema still tells how they are stored, so that a broken run can be repeated.
type parseRun struct {
	*caller
	db       *mongo.Database
	change   *parseChange
	class    parseClass
	modified int64
}

// parse changes a class of Parse Server in _SCHEMA and its documents. Repeating it does no harm. It returns how many documents were changed.
func (c *caller) parse(ctx context.Context, db *mongo.Database, change *parseChange) (int64, error) {
	r := &parseRun{caller: c, db: db, change: change}
	if err := r.load(ctx); err != nil {
		return 0, fmt.Errorf("class %s: %w", change.Class, err)
	}
	for _, step := range []func(context.Context) error{r.check, r.dropIndexes, r.rename, r.remove, r.add, r.createIndexes} {
		if err := step(ctx); err != nil {
			return r.modified, fmt.Errorf("class %s: %w", change.Class, err)
		}
	}
	return r.modified, nil
}

func (r *parseRun) schemas() *mongo.Collection { return r.db.Collection(r.change.Prefix + "_SCHEMA") }
func (r *parseRun) documents() *mongo.Collection {
	return r.db.Collection(r.change.Prefix + r.change.Class)
}

// join is the collection that holds a relation.
func (r *parseRun) join(field string) string {
	return r.change.Prefix + "_Join:" + field + ":" + r.change.Class
}

func (r *parseRun) load(ctx context.Context) error {
	doc, err := r.find(ctx)
	if errors.Is(err, mongo.ErrNoDocuments) {
		if !r.change.Create {
			return errors.New(`it is not in _SCHEMA: for a new class say "create": true`)
		}
		fresh := bson.D{{Key: "_id", Value: r.change.Class}, {Key: "objectId", Value: "string"}, {Key: "updatedAt", Value: "date"}, {Key: "createdAt", Value: "date"}}
		err = r.do(ctx, 0, func(ctx context.Context, _ time.Duration) error {
			_, err := r.schemas().InsertOne(ctx, fresh)
			return err
		})
		if err != nil && !mongo.IsDuplicateKeyError(err) {
			return err
		}
		doc, err = r.find(ctx)
	}
	if err != nil {
		return err
	}
	r.class = readParseClass(doc)
	return nil
}

func (r *parseRun) find(ctx context.Context) (doc bson.D, err error) {
	err = r.do(ctx, 0, func(ctx context.Context, _ time.Duration) error {
		return r.schemas().FindOne(ctx, bson.D{{Key: "_id", Value: r.change.Class}}).Decode(&doc)
	})
	return doc, err
}

// check refuses a change that does not fit the class, before anything is written.
func (r *parseRun) check(ctx context.Context) error {
	for _, f := range r.change.Add {
		if have, ok := r.class.fields[f.name]; ok && have != f.stored() {
			return fmt.Errorf("field %s is %s in _SCHEMA, not %s", f.name, have, f.stored())
		}
		if f.kind == "GeoPoint" {
			for name, kind := range r.class.fields {
				if kind == "geopoint" && name != f.name {
					return fmt.Errorf("field %s: MongoDB takes one GeoPoint in a class, and %s is one", f.name, name)
				}
			}
		}
	}
	for _, n := range r.change.Rename {
		_, from := r.class.fields[n.from]
		_, to := r.class.fields[n.to]
		switch {
		case from && to:
			return fmt.Errorf("cannot rename %s to %s: the class has both", n.from, n.to)
		case !from && !to:
			return fmt.Errorf("cannot rename %s: the class has no such field", n.from)
		}
	}
	return r.checkIndexes(ctx)
}

// checkIndexes refuses to rename or remove a field under an index, which would go on indexing nothing.
func (r *parseRun) checkIndexes(ctx context.Context) error {
	indexes, err := r.indexes(ctx)
	if err != nil {
		return err
	}
	gone := map[string]bool{}
	for _, i := range r.change.Indexes {
		if i.keys == nil {
			gone[i.name] = true
		}
		if have, ok := indexes[i.name]; ok && i.keys != nil && !sameKeys(have, r.storedKeys(i.keys)) {
			return fmt.Errorf("index %s is there with other keys: remove it under that name, and add it under another", i.name)
		}
	}
	leaving := append([]string(nil), r.change.Remove...)
	for _, n := range r.change.Rename {
		leaving = append(leaving, n.from)
	}
	for _, f := range leaving {
		for name, keys := range indexes {
			for _, k := range keys {
				if !gone[name] && (k.Key == f || k.Key == "_p_"+f) {
					return fmt.Errorf(`index %s covers the field %s: remove it in the same change, "indexes": {%q: null}`, name, f, name)
				}
			}
		}
	}
	return nil
}

// indexes lists the collection's indexes; a collection that is not there yet has none.
func (r *parseRun) indexes(ctx context.Context) (map[string]bson.D, error) {
	found := map[string]bson.D{}
	var specs []struct {
		Name string
		Key  bson.D
	}
	err := r.do(ctx, 0, func(ctx context.Context, _ time.Duration) error {
		cur, err := r.documents().Indexes().List(ctx)
		if err != nil {
			return err
		}
		return cur.All(ctx, &specs)
	})
	var failed mongo.CommandError
	if errors.As(err, &failed) && failed.Code == 26 {
		return found, nil
	}
	for _, s := range specs {
		found[s.Name] = s.Key
	}
	return found, err
}

func (r *parseRun) dropIndexes(ctx context.Context) error {
	for _, i := range r.change.Indexes {
		if i.keys != nil {
			continue
		}
		cmd := bson.D{{Key: "dropIndexes", Value: r.documents().Name()}, {Key: "index", Value: i.name}}
		if err := r.raw(ctx, r.db, cmd); err != nil && !isCode(err, 26, 27) { // no such collection, no such index
			return err
		}
		if r.class.dropIndex(i.name) {
			if err := r.save(ctx, nil, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *parseRun) raw(ctx context.Context, db *mongo.Database, cmd bson.D) error {
	doc, err := bson.Marshal(cmd)
	if err != nil {
		return err
	}
	_, err = r.command(ctx, db, doc, 0)
	return err
}

func isCode(err error, codes ...int32) bool {
	var failed mongo.CommandError
	if !errors.As(err, &failed) {
		return false
	}
	for _, c := range codes {
		if failed.Code == c {
			return true
		}
	}
	return false
}

func (r *parseRun) rename(ctx context.Context) error {
	for _, n := range r.change.Rename {
		kind, pending := r.class.fields[n.from]
		if !pending {
			kind = r.class.fields[n.to]
		}
		if isRelation(kind) {
			cmd := bson.D{{Key: "renameCollection", Value: r.db.Name() + "." + r.join(n.from)}, {Key: "to", Value: r.db.Name() + "." + r.join(n.to)}}
			if err := r.raw(ctx, r.db.Client().Database("admin"), cmd); err != nil && !isCode(err, 26) {
				return err
			}
		} else if err := r.renameInDocuments(ctx, storedName(n.from, kind), storedName(n.to, kind)); err != nil {
			return err
		}
		if pending {
			r.class.rename(n.from, n.to)
			if err := r.save(ctx, bson.D{{Key: n.to, Value: kind}}, []string{n.from}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *parseRun) renameInDocuments(ctx context.Context, from, to string) error {
	exists := bson.D{{Key: "$exists", Value: true}}
	var both int64
	err := r.do(ctx, 0, func(ctx context.Context, _ time.Duration) (err error) {
		both, err = r.documents().CountDocuments(ctx, bson.D{{Key: from, Value: exists}, {Key: to, Value: exists}})
		return err
	})
	if err != nil {
		return err
	}
	if both > 0 {
		return fmt.Errorf("%d documents hold both %s and %s: decide in a script which one stays", both, from, to)
	}
	return r.updateMany(ctx, bson.D{{Key: from, Value: exists}}, bson.D{{Key: "$rename", Value: bson.D{{Key: from, Value: to}}}})
}

func (r *parseRun) updateMany(ctx context.Context, filter, update bson.D) error {
	return r.do(ctx, 0, func(ctx context.Context, _ time.Duration) error {
		res, err := r.documents().UpdateMany(ctx, filter, update)
		if err == nil {
			r.modified += res.ModifiedCount
		}
		return err
	})
}

func (r *parseRun) remove(ctx context.Context) error {
	for _, name := range r.change.Remove {
		kind, pending := r.class.fields[name]
		if isRelation(kind) {
			if err := r.raw(ctx, r.db, bson.D{{Key: "drop", Value: r.join(name)}}); err != nil && !isCode(err, 26) {
				return err
			}
		} else {
			// A repetition no longer knows whether it was a pointer.
			for _, stored := range []string{name, "_p_" + name} {
				update := bson.D{{Key: "$unset", Value: bson.D{{Key: stored, Value: ""}}}}
				if err := r.updateMany(ctx, bson.D{{Key: stored, Value: bson.D{{Key: "$exists", Value: true}}}}, update); err != nil {
					return err
				}
			}
		}
		if pending {
			r.class.remove(name)
			if err := r.save(ctx, nil, []string{name}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *parseRun) add(ctx context.Context) error {
	for _, f := range r.change.Add {
		r.class.add(f)
		if err := r.save(ctx, bson.D{{Key: f.name, Value: f.stored()}}, nil); err != nil {
			return err
		}
		if f.value == nil {
			continue
		}
		lacking := bson.D{{Key: f.name, Value: bson.D{{Key: "$exists", Value: false}}}}
		if err := r.updateMany(ctx, lacking, bson.D{{Key: "$set", Value: bson.D{{Key: f.name, Value: f.value}}}}); err != nil {
			return err
		}
	}
	return nil
}

func (r *parseRun) createIndexes(ctx context.Context) error {
	for _, i := range r.change.Indexes {
		if i.keys == nil {
			continue
		}
		for _, k := range i.keys {
			if !r.class.known(k.Key) {
				return fmt.Errorf("index %s: the class has no field %s", i.name, k.Key)
			}
		}
		keys := r.storedKeys(i.keys)
		cmd := bson.D{{Key: "createIndexes", Value: r.documents().Name()}, {Key: "indexes", Value: bson.A{bson.D{{Key: "key", Value: keys}, {Key: "name", Value: i.name}}}}}
		if err := r.raw(ctx, r.db, cmd); err != nil {
			return err
		}
		r.class.addIndex(i.name, keys)
		if err := r.save(ctx, nil, nil); err != nil {
			return err
		}
	}
	return nil
}

// save writes the class: one update of one document, so that fields and metadata never part.
func (r *parseRun) save(ctx context.Context, set bson.D, unset []string) error {
	update := bson.D{}
	if len(r.class.metadata) > 0 {
		set = append(set, bson.E{Key: "_metadata", Value: r.class.metadata})
	} else {
		unset = append(unset, "_metadata")
	}
	if len(set) > 0 {
		update = append(update, bson.E{Key: "$set", Value: set})
	}
	if len(unset) > 0 {
		d := bson.D{}
		for _, name := range unset {
			d = append(d, bson.E{Key: name, Value: ""})
		}
		update = append(update, bson.E{Key: "$unset", Value: d})
	}
	return r.do(ctx, 0, func(ctx context.Context, _ time.Duration) error {
		_, err := r.schemas().UpdateOne(ctx, bson.D{{Key: "_id", Value: r.change.Class}}, update)
		return err
	})
}

func (r *parseRun) storedKeys(keys bson.D) bson.D {
	out := make(bson.D, len(keys))
	for i, k := range keys {
		kind := r.class.fields[k.Key]
		for _, f := range r.change.Add {
			if f.name == k.Key {
				kind = f.stored()
			}
		}
		for _, n := range r.change.Rename {
			if n.to == k.Key && kind == "" {
				kind = r.class.fields[n.from]
			}
		}
		out[i] = bson.E{Key: storedName(k.Key, kind), Value: k.Value}
	}
	return out
}

func sameKeys(a, b bson.D) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Key != b[i].Key || fmt.Sprint(a[i].Value) != fmt.Sprint(b[i].Value) {
			return false
		}
	}
	return true
}
