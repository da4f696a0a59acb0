package script

import (
	"context"
	"errors"
	"time"

	"github.com/dop251/goja"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

// fetchCount is how many documents go to the script at a time: a server's batch of 16 MB would be ten times that in objects.
const fetchCount = 100

// cursor is an open cursor of the script. It stays on the session that it was opened on.
type cursor struct {
	*mongo.Cursor
	ctx   context.Context
	shape shape
}

// open runs a query and returns the id of its cursor.
func (c *call) open(query func(ctx context.Context, left time.Duration) (*mongo.Cursor, error)) (goja.Value, error) {
	var cur *mongo.Cursor
	err := c.do(func(ctx context.Context, left time.Duration) (err error) {
		cur, err = query(ctx, left)
		return err
	})
	if err != nil {
		return nil, err
	}
	c.m.nextID++
	c.m.cursors[c.m.nextID] = &cursor{cur, c.ctx, c.args.shape()}
	return c.m.vm.ToValue(c.m.nextID), nil
}

func (c *call) listCollections() (goja.Value, error) {
	filter, err := c.named("filter", c.a)
	if err != nil {
		return nil, err
	}
	o := options.ListCollections()
	if v, ok := c.args.flag("nameOnly"); ok {
		o.SetNameOnly(v)
	}
	if v, ok := c.args.flag("authorizedCollections"); ok {
		o.SetAuthorizedCollections(v)
	}
	if n, ok := c.args.integer("batchSize"); ok {
		o.SetBatchSize(int32(n))
	}
	return c.open(func(ctx context.Context, _ time.Duration) (*mongo.Cursor, error) {
		return c.db.ListCollections(ctx, filter, o)
	})
}

// listIndexes runs the command itself: the driver's method hides that a collection does not exist, which Node's shows.
func (c *call) listIndexes() (goja.Value, error) {
	cmd := bson.D{{Key: "listIndexes", Value: c.coll.Name()}, {Key: "cursor", Value: bson.D{}}}
	return c.open(func(ctx context.Context, _ time.Duration) (*mongo.Cursor, error) {
		return c.db.RunCommandCursor(ctx, cmd)
	})
}

// fetch returns up to n documents of the cursor whose id is in a; none means that it is at its end. n of 0 is all of them.
func (c *call) fetch(n int) (goja.Value, error) {
	id := c.a.ToInteger()
	cur, ok := c.m.cursors[id]
	if !ok {
		return nil, errors.New("the cursor is closed")
	}
	var docs []any
	for n == 0 || len(docs) < n {
		if len(docs) > 0 && n > 0 && cur.RemainingBatchLength() == 0 {
			break
		}
		more, err := c.next(cur)
		if err != nil {
			delete(c.m.cursors, id)
			return nil, err
		}
		if !more {
			delete(c.m.cursors, id)
			break
		}
		v, err := c.m.object(cur.Current, cur.shape)
		if err != nil {
			return nil, err
		}
		docs = append(docs, v)
	}
	return c.m.vm.NewArray(docs...), nil
}

// next moves the cursor on. Only what goes to the server passes the hooks.
func (c *call) next(cur *cursor) (more bool, err error) {
	if cur.RemainingBatchLength() > 0 {
		more = cur.Next(cur.ctx)
		return more, cur.Err()
	}
	if cur.ID() == 0 {
		return false, nil
	}
	err = c.m.client.do(cur.ctx, 0, func(ctx context.Context, _ time.Duration) error {
		more = cur.Next(ctx)
		return cur.Err()
	})
	return more, err
}

// closeCursor frees the cursor on the server. That a kill fails harms nothing: the server forgets it by itself.
func (c *call) closeCursor() (goja.Value, error) {
	id := c.a.ToInteger()
	if cur, ok := c.m.cursors[id]; ok {
		delete(c.m.cursors, id)
		ctx, cancel := c.m.detached()
		defer cancel()
		_ = cur.Close(ctx)
	}
	return goja.Undefined(), nil
}

func (m *machine) closeCursors() {
	if len(m.cursors) == 0 {
		return
	}
	ctx, cancel := m.detached()
	defer cancel()
	for id, cur := range m.cursors {
		_ = cur.Close(ctx)
		delete(m.cursors, id)
	}
}
