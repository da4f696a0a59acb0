package mongodb

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"

	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/script"
)

// session writes for one term, as far as that can be said where nothing is locked.
type session struct {
	db     *DB
	client *mongo.Client
	mdb    *mongo.Database
	term   database.Term
	origin database.Origin
	// programs are the scripts of backfills, by version.
	programs map[string]*script.Program
}

// Lead opens the session of a term.
func (d *DB) Lead(ctx context.Context, t database.Term, o database.Origin) (database.Session, error) {
	client, err := d.connect(ctx)
	if err != nil {
		return nil, err
	}
	s := &session{db: d, client: client, mdb: client.Database(d.name), term: t, origin: o}
	if err := checked(ctx, s.mdb, d.opt.Service, t); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *session) Close() { disconnect(s.client) }

// Record appends events after a look at the fence.
func (s *session) Record(ctx context.Context, events ...database.Event) error {
	return s.appended(ctx, events...)
}

// Probe can't tell: nothing says which of a script's calls were made.
func (s *session) Probe(context.Context, database.Statement) (bool, error) {
	return false, database.ErrUndecided
}

// inForce asks how the latest deciding event left the version.
func (s *session) inForce(ctx context.Context, version string) (bool, error) {
	docs, err := find(ctx, s.mdb, s.db.opt.Service, false, bson.E{Key: "version", Value: version})
	if err != nil {
		return false, err
	}
	in := false
	for _, e := range docs {
		switch {
		case e.Kind == string(database.Applied), e.Kind == string(database.Resolved) && e.Note == database.ResolvedApplied:
			in = true
		case e.Kind == string(database.RolledBack):
			in = false
		}
	}
	return in, nil
}

// Apply runs one change: a running event that says that it may have begun, the script, and the event that says that it is done.
func (s *session) Apply(ctx context.Context, changes ...database.Change) error {
	if len(changes) != 1 {
		return fmt.Errorf("%w: MongoDB has no transaction for several migrations", database.ErrRefused)
	}
	c := changes[0]
	if err := checked(ctx, s.mdb, s.db.opt.Service, s.term); err != nil {
		return err
	}
	in, err := s.inForce(ctx, c.Version)
	if err != nil {
		return err
	}
	if err := c.Due(in); err != nil {
		return err
	}
	began := time.Now()
	if c.From == 0 {
		if err := s.appended(ctx, c.Progress(0, 1)); err != nil {
			return err
		}
		if err := s.run(ctx, c); err != nil {
			return s.broken(ctx, c, err)
		}
	}
	if err := s.verify(ctx, c); err != nil {
		return err
	}
	return s.appended(ctx, c.Outcome(time.Since(began))...)
}

// broken sorts what ended a script. What it had done by then nobody knows; the running event stands unless the script itself
// failed, which its author has to answer for with an idempotent script or a person with resolve.
func (s *session) broken(ctx context.Context, c database.Change, err error) error {
	if ctx.Err() != nil || errors.Is(err, script.ErrOutOfTime) || errors.Is(err, database.ErrFenced) {
		return fmt.Errorf("%w: %w", database.ErrInterrupted, err)
	}
	var se *script.Error
	if !errors.As(err, &se) {
		return &database.StatementError{File: c.File, Message: err.Error(), Err: err}
	}
	if mongo.IsNetworkError(se.Err) {
		return fmt.Errorf("%w: %w", database.ErrInterrupted, err)
	}
	code := ""
	if se.Code != 0 {
		code = strconv.Itoa(se.Code)
	}
	message := se.Message
	if se.Name != "" && se.Name != "Error" {
		message = se.Name + ": " + message
	}
	if c.Idempotent || se.Code == 0 && se.Name == "" { // run again, or never begun
		if rerr := s.appended(context.WithoutCancel(ctx), c.Progress(0, 0)); rerr != nil {
			return rerr
		}
	}
	return &database.StatementError{File: c.File, Line: se.Line, Code: code, Message: message, Err: err}
}

// verify runs a script's own verify(db, client) once its up is done. That it is done is recorded first: what fails here is asked
// again by the next start, and up is not.
func (s *session) verify(ctx context.Context, c database.Change) error {
	if c.Undo || c.Language != "js" {
		return nil
	}
	p, err := script.Compile(c.File, c.Text)
	if err != nil || !p.Has(ctx, "verify") {
		return err
	}
	if c.From == 0 {
		if err := s.appended(ctx, c.Progress(1, 0)); err != nil {
			return err
		}
	}
	err = p.Verify(ctx, s.mdb, s.options(ctx, c))
	if err == nil {
		return nil
	}
	if se, ok := errors.AsType[*script.Error](err); ok && ctx.Err() == nil && !errors.Is(err, script.ErrOutOfTime) && !errors.Is(err, database.ErrFenced) && !mongo.IsNetworkError(se.Err) {
		message := se.Message
		if !errors.Is(err, script.ErrVerify) {
			message = "verify: " + message
		}
		return &database.StatementError{File: c.File, Line: se.Line, Message: message, Err: err}
	}
	return fmt.Errorf("%w: %w", database.ErrInterrupted, err)
}

func (s *session) options(ctx context.Context, c database.Change) script.Options {
	o := script.Options{Log: s.db.opt.Log, Env: s.db.opt.Env, MaxMemory: s.db.opt.MaxMemory, Timeout: c.StatementTimeout, Before: s.before}
	if _, ok := database.Trust(ctx); ok {
		o.MaxTime = func() time.Duration { left, _ := database.Trust(ctx); return left }
	}
	return o
}

func (s *session) run(ctx context.Context, c database.Change) error {
	o := s.options(ctx, c)
	if c.Language == "json" {
		return script.RunCommands(ctx, s.mdb, c.File, []byte(c.Text), o)
	}
	p, err := script.Compile(c.File, c.Text)
	if err != nil {
		return err
	}
	direction := "up"
	if c.Undo {
		direction = "down"
	}
	return p.Run(ctx, direction, s.mdb, o)
}

// before is asked before each call of a script: is the lead still to be trusted? It costs no round trip.
func (s *session) before(ctx context.Context) error {
	if left, ok := database.Trust(ctx); ok && left <= 0 {
		return fmt.Errorf("%w: the lease has run out", database.ErrInterrupted)
	}
	return ctx.Err()
}

var (
	_ database.Database = (*DB)(nil)
	_ database.Leases   = (*DB)(nil)
)
