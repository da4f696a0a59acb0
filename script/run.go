package script

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
)

// Defaults of Options.
const (
	DefaultMaxMemory = 512 << 20
	// DefaultMaxStack is low since unwinding calls that go through native functions takes time that is quadratic in their depth.
	DefaultMaxStack = 2000
)

// Options bounds and equips one run. The zero value is fit for use.
type Options struct {
	// Timeout ends the script after that long; 0 leaves it to the context.
	Timeout time.Duration
	// MaxMemory ends the script when the process's heap has grown by that many bytes since its start; 0 means DefaultMaxMemory, negative no limit.
	// It is the whole heap that is looked at: other work in the process counts.
	MaxMemory int64
	// MaxStack is the deepest call stack; 0 means DefaultMaxStack.
	MaxStack int
	// Log takes what the script prints, and warnings about it; level is debug, info, warn or error. Nil discards.
	Log func(level, message string)
	// Env is what process.env shows. Asking for another name fails, so that no script takes a default by accident; an empty value reads as undefined.
	Env map[string]string
	// Before is called before every call to the server, getMore included. An error ends the script at once, whatever it tries to catch.
	Before func(ctx context.Context) error
	// MaxTime is how long the next call may take, such as what is left of the lease. It goes to the server as maxTimeMS, for which the client
	// must have been made with SetTimeout (0 will do). Nothing left ends the script with ErrOutOfTime. Nil sets no limit.
	MaxTime func() time.Duration
}

func (o Options) log(level, format string, args ...any) {
	if o.Log != nil {
		o.Log(level, fmt.Sprintf(format, args...))
	}
}

// Run calls the script's up or down with the database and its client. What it returns is ignored, as migrate-mongo does.
// A failure is an *Error; it wraps the driver's error, or what Before returned, where it came from there.
func (p *Program) Run(ctx context.Context, direction string, db *mongo.Database, o Options) error {
	_, err := p.Call(ctx, direction, db, o)
	return err
}

// RunBatch calls the script's batch(docs, db, client).
func (p *Program) RunBatch(ctx context.Context, docs []bson.Raw, db *mongo.Database, o Options) error {
	_, err := p.Call(ctx, "batch", db, o, docs)
	return err
}

// Verify calls the script's verify(db, client). It fails where that throws, rejects or returns false.
func (p *Program) Verify(ctx context.Context, db *mongo.Database, o Options) error {
	v, err := p.Call(ctx, "verify", db, o)
	if err != nil {
		return err
	}
	if v == false {
		return &Error{File: p.file, Message: ErrVerify.Error(), Err: ErrVerify}
	}
	return nil
}

// Call calls an exported function with args, then the database and its client, and returns what it resolved to as bson.Unmarshal would put it into an any.
// An argument is a document (bson.Raw), a list of them ([]bson.Raw), or any value that BSON can hold.
func (p *Program) Call(ctx context.Context, export string, db *mongo.Database, o Options, args ...any) (result any, err error) {
	ctx, cancel, err := o.bound(ctx, p.file, db)
	if err != nil {
		return nil, err
	}
	defer cancel()
	m, err := newMachine(ctx, p, o)
	if err != nil {
		return nil, err
	}
	m.client = &caller{db: db, before: o.Before, maxTime: o.MaxTime}
	defer m.close()
	return m.run(export, args)
}

// loadTimeout bounds Has, which does not end with its context (an answer that depends on when it was asked would be none).
const loadTimeout = 5 * time.Second

// Has tells whether the script exports a function of that name. It runs the script's top level, without a database.
// A script that fails there exports nothing: Load says why.
func (p *Program) Has(ctx context.Context, name string) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadTimeout)
	defer cancel()
	names, err := p.Load(ctx, Options{})
	if err != nil {
		return false
	}
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

// Load runs the script's top level, without a database, and returns the names of the functions that it exports.
func (p *Program) Load(ctx context.Context, o Options) ([]string, error) {
	m, err := newMachine(ctx, p, o)
	if err != nil {
		return nil, err
	}
	defer m.close()
	exports, err := m.load()
	if err != nil {
		return nil, err
	}
	return m.functions(exports)
}

// stopped makes the error of a script that was ended from outside.
func (m *machine) stopped(err error, at place) *Error {
	e := &Error{File: m.program.file, Line: at.line, Column: at.column, Err: err, Message: "stopped: " + err.Error()}
	if errors.Is(err, ErrNeverSettles) {
		e.Message = err.Error()
	}
	return e
}
