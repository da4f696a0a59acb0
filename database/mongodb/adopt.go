package mongodb

import (
	"context"
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"

	"github.com/schemagate/schemagate/database"
)

// Foreign reads other tools' collections. A document has the shape or it has not; those that have it are the rows.
func (d *DB) Foreign(ctx context.Context, shapes []database.Shape) ([]database.ForeignTable, error) {
	db, err := d.database(ctx)
	if err != nil {
		return nil, err
	}
	names, err := db.ListCollectionNames(ctx, bson.D{})
	if err != nil {
		return nil, sorted(err)
	}
	var out []database.ForeignTable
	for _, name := range names {
		for _, s := range shapes {
			if s.Name != name {
				continue
			}
			t := database.ForeignTable{Shape: s, Table: name}
			cur, err := db.Collection(name).Find(ctx, bson.D{})
			if err != nil {
				return nil, sorted(err)
			}
			var docs []bson.D
			if err := cur.All(ctx, &docs); err != nil {
				return nil, sorted(err)
			}
			for _, doc := range docs {
				if r, columns := row(doc); s.Fits(columns) {
					t.Rows = append(t.Rows, r)
				}
			}
			out = append(out, t)
		}
	}
	return out, nil
}

func row(doc bson.D) (r map[string]string, columns []string) {
	r = map[string]string{}
	for _, e := range doc {
		name := strings.ToLower(e.Key)
		columns = append(columns, name)
		switch v := e.Value.(type) {
		case nil:
		case primitive.DateTime:
			r[name] = v.Time().UTC().Format("2006-01-02 15:04:05")
		default:
			r[name] = fmt.Sprint(v)
		}
	}
	return r, columns
}

// HandBack writes another tool's record, and then the events: there is no transaction, and what is cut off in between is
// written again.
func (s *session) HandBack(ctx context.Context, w database.ForeignWrite, events ...database.Event) error {
	if err := checked(ctx, s.mdb, s.db.opt.Service, s.term); err != nil {
		return err
	}
	c := s.mdb.Collection(w.Table)
	for _, row := range w.Delete {
		if _, err := c.DeleteMany(ctx, bson.M(row)); err != nil {
			return sorted(err)
		}
	}
	for _, row := range w.Insert {
		doc := bson.M{}
		for k, v := range row {
			if t, ok := v.(time.Time); ok {
				v = primitive.NewDateTimeFromTime(t)
			}
			doc[k] = v
		}
		if _, err := c.InsertOne(ctx, doc); err != nil {
			return sorted(err)
		}
	}
	return s.appended(ctx, events...)
}
