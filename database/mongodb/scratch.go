package mongodb

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"

	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/script"
)

// scratch is a database of its own on the same server.
type scratch struct{ *DB }

// NewScratch names a database; it comes into being with the first document.
func (d *DB) NewScratch(context.Context) (database.Scratch, error) {
	return &scratch{&DB{url: d.url, name: database.NewScratchName(), opt: d.opt}}, nil
}

func (s *scratch) Name() string { return s.name }

func (s *scratch) Drop(ctx context.Context) error {
	defer s.Disconnect()
	return s.dropScratch(ctx, s.name)
}

func (d *DB) dropScratch(ctx context.Context, name string) error {
	db, err := d.database(ctx)
	if err == nil {
		err = sorted(db.Client().Database(name).Drop(ctx))
	}
	if err != nil {
		return fmt.Errorf("drop the scratch database %s: %w", name, err)
	}
	return nil
}

// Sweep sees the databases that the user has a right on.
func (d *DB) Sweep(ctx context.Context, age time.Duration) (dropped []string, err error) {
	db, err := d.database(ctx)
	if err != nil {
		return nil, err
	}
	names, err := db.Client().ListDatabaseNames(ctx, bson.D{})
	if err != nil {
		return nil, sorted(err)
	}
	for _, name := range names {
		if database.ScratchOlder(name, age) {
			if err := d.dropScratch(ctx, name); err != nil {
				return dropped, err
			}
			dropped = append(dropped, name)
		}
	}
	return dropped, nil
}

// Try calls the script's function. Nothing undoes what it did, so keep is for the databases that can.
func (s *scratch) Try(ctx context.Context, c database.Change, function string, _ bool) error {
	db, err := s.database(ctx)
	if err != nil {
		return err
	}
	p, err := script.Compile(c.File, c.Text)
	if err != nil {
		return err
	}
	if !p.Has(ctx, function) {
		return &database.StatementError{File: c.File, Message: fmt.Sprintf("exports no function %s: write exports.%s = async (db, client) => { ... }", function, function)}
	}
	answer, err := p.Call(ctx, function, db, script.Options{Log: s.opt.Log, Env: s.opt.Env, MaxMemory: s.opt.MaxMemory, Timeout: c.StatementTimeout})
	if se, ok := errors.AsType[*script.Error](err); ok && !mongo.IsNetworkError(se.Err) {
		return &database.StatementError{File: c.File, Line: se.Line, Message: se.Message, Err: err}
	}
	if err != nil {
		return sorted(err)
	}
	if answer == false {
		return &database.StatementError{File: c.File, Message: function + " returned false"}
	}
	return nil
}

// Schema is the indexes, and the options of collections, a validator among them. A collection that has neither is none: the first
// document makes it, and no way back takes it away.
func (s *scratch) Schema(ctx context.Context) (database.Objects, error) {
	db, err := s.database(ctx)
	if err != nil {
		return nil, err
	}
	specs, err := db.ListCollectionSpecifications(ctx, bson.D{})
	if err != nil {
		return nil, sorted(err)
	}
	out := database.Objects{}
	for _, c := range specs {
		if strings.HasPrefix(c.Name, "schemagate_") || strings.HasPrefix(c.Name, "system.") {
			continue
		}
		if elements, _ := c.Options.Elements(); len(elements) > 0 || c.Type != "collection" && c.Type != "" {
			out.Add("collection "+c.Name, strings.TrimSpace(c.Type+" "+extended(c.Options)))
		}
		if c.Type == "view" {
			continue
		}
		cur, err := db.Collection(c.Name).Indexes().List(ctx)
		if err != nil {
			return nil, sorted(err)
		}
		var indexes []bson.D
		if err := cur.All(ctx, &indexes); err != nil {
			return nil, sorted(err)
		}
		for _, ix := range indexes {
			name, definition := "", bson.D{}
			for _, e := range ix {
				switch e.Key {
				case "name":
					name = fmt.Sprint(e.Value)
				case "v", "ns":
				default:
					definition = append(definition, e)
				}
			}
			if name != "_id_" {
				out.Add("index "+c.Name+"."+name, extended(definition))
			}
		}
	}
	return out, nil
}

func extended(v any) string {
	text, err := bson.MarshalExtJSON(v, false, false)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

var _ database.Scratcher = (*DB)(nil)
