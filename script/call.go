package script

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dop251/goja"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/x/mongo/driver/topology"
)

// call is one operation that the prelude asks for: call(op, db, collection, options, a, b).
type call struct {
	m    *machine
	op   string
	db   *mongo.Database
	coll *mongo.Collection
	args args
	a, b goja.Value
	ctx  context.Context
}

// call runs an operation at once and returns a promise that settles in a later turn of the loop, so that timers get theirs between two calls.
func (m *machine) call(fc goja.FunctionCall) goja.Value {
	m.calls++
	if at, ok := m.here(); ok {
		m.lastPlace = at
	}
	promise, resolve, reject := m.vm.NewPromise()
	v, err := m.perform(fc)
	var s *stop
	switch {
	case errors.As(err, &s):
		m.fatal = s.err
		m.vm.Interrupt(s.err)
	case err != nil:
		// Made now, so that its stack is the caller's.
		reason := m.jsError(err)
		m.queue(func() error { return reject(reason) })
	default:
		m.queue(func() error { return resolve(v) })
	}
	return m.vm.ToValue(promise)
}

func (m *machine) perform(fc goja.FunctionCall) (goja.Value, error) {
	if m.client == nil {
		return nil, errors.New("there is no database while the script is loaded: use it inside up and down")
	}
	c := &call{m: m, op: fc.Argument(0).String(), args: m.args(fc.Argument(3)), a: fc.Argument(4), b: fc.Argument(5), ctx: m.ctx}
	c.db = m.client.db
	if name := fc.Argument(1); goja.IsString(name) && name.String() != c.db.Name() {
		c.db = m.client.db.Client().Database(name.String())
	}
	if name := fc.Argument(2); goja.IsString(name) {
		if err := validName(name.String()); err != nil {
			return nil, err
		}
		c.coll = c.db.Collection(name.String())
	}
	if id, ok := c.args.integer("sessionId"); ok {
		transaction, _ := c.args.flag("inTransaction")
		ctx, err := m.sessionContext(m.ctx, id, transaction)
		if err != nil {
			return nil, err
		}
		c.ctx = ctx
	}
	m.lastErr = nil
	v, err := c.run()
	m.lastErr = err
	return v, err
}

func validName(name string) error {
	if name == "" || strings.ContainsAny(name, "\x00$") || strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".") {
		return fmt.Errorf("%q is no name for a collection", name)
	}
	return nil
}

func (c *call) run() (goja.Value, error) {
	switch c.op {
	case "insertOne":
		return c.insertOne()
	case "updateOne", "updateMany", "replaceOne":
		return c.update()
	case "deleteOne", "deleteMany":
		return c.delete()
	case "bulkWrite":
		return c.bulkWrite()
	case "findOneAndUpdate", "findOneAndReplace", "findOneAndDelete":
		return c.findOneAnd()
	case "find":
		return c.find()
	case "aggregate":
		return c.aggregate()
	case "listCollections":
		return c.listCollections()
	case "listIndexes":
		return c.listIndexes()
	case "fetch":
		return c.fetch(fetchCount)
	case "fetchAll":
		return c.fetch(0)
	case "closeCursor":
		return c.closeCursor()
	case "countDocuments", "estimatedDocumentCount":
		return c.count()
	case "distinct":
		return c.distinct()
	case "command":
		return c.command()
	case "parse":
		return c.parse()
	case "commitTransaction", "abortTransaction", "endSession":
		return c.m.transaction(c.m.ctx, c.op, c.a.ToInteger(), c.args)
	default:
		return nil, fmt.Errorf("the operation %s is not known", c.op)
	}
}

// do makes the call to the server, with the hooks and the script's own time limit.
func (c *call) do(f func(ctx context.Context, left time.Duration) error) error {
	return c.m.client.do(c.ctx, c.args.maxTime(), f)
}

func (c *call) command() (goja.Value, error) {
	cmd, err := c.m.document(c.a)
	if err != nil {
		return nil, fmt.Errorf("command: %w", err)
	}
	reply, err := c.m.client.command(c.ctx, c.db, cmd, c.args.maxTime())
	if err != nil {
		return nil, err
	}
	return c.m.object(reply, c.args.shape())
}

// problem is what an error of the driver looks like to a script.
type problem struct {
	class    string
	message  string
	response bson.Raw
	labels   []string
	writes   []mongo.BulkWriteError
	result   goja.Value
}

// bulkError carries what a bulk write had done before it failed.
type bulkError struct {
	err    mongo.BulkWriteException
	result goja.Value
}

func (e *bulkError) Error() string { return e.err.Error() }
func (e *bulkError) Unwrap() error { return e.err }

func describe(err error) problem {
	p := problem{class: "MongoDriverError", message: err.Error()}
	var bulk *bulkError
	var write mongo.WriteException
	var command mongo.CommandError
	var selection topology.ServerSelectionError
	var field *fieldError
	switch {
	case errors.As(err, &bulk):
		p.class, p.writes, p.labels, p.result = "MongoBulkWriteError", bulk.err.WriteErrors, bulk.err.Labels, bulk.result
		if len(p.writes) > 0 {
			p.message, p.response = p.writes[0].Message, p.writes[0].Raw
		} else if wc := bulk.err.WriteConcernError; wc != nil {
			p.message, p.response = wc.Message, wc.Raw
		}
	case errors.As(err, &write) && len(write.WriteErrors) > 0:
		p.class, p.message, p.response, p.labels = "MongoServerError", write.WriteErrors[0].Message, write.WriteErrors[0].Raw, write.Labels
	case errors.As(err, &write) && write.WriteConcernError != nil:
		p.class, p.message, p.response, p.labels = "MongoWriteConcernError", write.WriteConcernError.Message, write.WriteConcernError.Raw, write.Labels
	case errors.As(err, &selection):
		p.class = "MongoServerSelectionError"
	case mongo.IsNetworkError(err):
		p.class = "MongoNetworkError"
	case errors.As(err, &command) && command.Code != 0:
		p.class, p.message, p.response, p.labels = "MongoServerError", command.Message, command.Raw, command.Labels
	case mongo.IsTimeout(err):
		p.class = "MongoOperationTimeoutError"
	case errors.As(err, &field):
		p.class = "BSONError"
	}
	if len(p.labels) == 0 && errors.As(err, &command) {
		p.labels = command.Labels
	}
	return p
}

// jsError makes the error that a script sees; it carries the Go error along.
func (m *machine) jsError(err error) goja.Value {
	var ex *goja.Exception
	if errors.As(err, &ex) {
		return ex.Value()
	}
	p := describe(err)
	response := goja.Undefined()
	if len(p.response) > 0 {
		if v, err := m.object(p.response, nodeShape); err == nil {
			response = v
		}
	}
	var writes []any
	for _, w := range p.writes {
		v, err := m.object(w.Raw, nodeShape)
		if err != nil || len(w.Raw) == 0 {
			v = m.vm.NewObject()
		}
		o := v.ToObject(m.vm)
		_ = o.Set("index", w.Index)
		_ = o.Set("code", w.Code)
		_ = o.Set("errmsg", w.Message)
		writes = append(writes, o)
	}
	result := p.result
	if result == nil {
		result = goja.Undefined()
	}
	v, failed := m.libCall("driverError", m.vm.ToValue(p.class), m.vm.ToValue(p.message), response, m.vm.ToValue(p.labels), m.vm.NewArray(writes...), result)
	if failed != nil {
		return m.vm.NewGoError(err)
	}
	_ = v.ToObject(m.vm).SetSymbol(m.sym.cause, &cause{err})
	return v
}
