package script

import (
	"context"
	"fmt"
	"time"

	"github.com/dop251/goja"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
	"go.mongodb.org/mongo-driver/mongo/readconcern"
	"go.mongodb.org/mongo-driver/mongo/writeconcern"
)

// closeTimeout bounds the clean-up on the server after a run: the server forgets cursors and sessions by itself.
const closeTimeout = 2 * time.Second

func (m *machine) detached() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(m.ctx), closeTimeout)
}

// endSessions aborts the transactions that a script left open.
func (m *machine) endSessions() {
	if len(m.sessions) == 0 {
		return
	}
	ctx, cancel := m.detached()
	defer cancel()
	for id, s := range m.sessions {
		s.EndSession(ctx)
		delete(m.sessions, id)
	}
}

// sessionContext binds a call to the script's session; id 0 is none.
func (m *machine) sessionContext(ctx context.Context, id int64, transaction bool) (context.Context, error) {
	if id == 0 {
		return ctx, nil
	}
	s, ok := m.sessions[id]
	if !ok {
		return nil, fmt.Errorf("cannot use a session that has ended")
	}
	if transaction {
		ctx = context.WithValue(ctx, transactionKey{}, true)
	}
	return mongo.NewSessionContext(ctx, s), nil
}

// startSession opens a session and returns its id.
func (m *machine) startSession(o args) (goja.Value, error) {
	so := options.Session()
	if v, ok := o.flag("causalConsistency"); ok {
		so.SetCausalConsistency(v)
	}
	if v, ok := o.flag("snapshot"); ok {
		so.SetSnapshot(v)
	}
	s, err := m.client.db.Client().StartSession(so)
	if err != nil {
		return nil, err
	}
	m.nextID++
	m.sessions[m.nextID] = s
	return m.vm.ToValue(m.nextID), nil
}

// transaction starts, commits or aborts on the session; the driver retries a commit as its specification says.
func (m *machine) transaction(ctx context.Context, op string, id int64, o args) (goja.Value, error) {
	s, ok := m.sessions[id]
	if !ok {
		return nil, fmt.Errorf("cannot use a session that has ended")
	}
	switch op {
	case "startTransaction":
		to, err := transactionOptions(o)
		if err != nil {
			return nil, err
		}
		return goja.Undefined(), s.StartTransaction(to)
	case "commitTransaction":
		return goja.Undefined(), m.client.do(ctx, 0, func(ctx context.Context, _ time.Duration) error { return s.CommitTransaction(ctx) })
	case "abortTransaction":
		return goja.Undefined(), m.client.do(ctx, 0, func(ctx context.Context, _ time.Duration) error { return s.AbortTransaction(ctx) })
	default: // endSession
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		s.EndSession(end)
		delete(m.sessions, id)
		return goja.Undefined(), nil
	}
}

// transactionOptions reads the concerns of a transaction, which may differ from the client's. A transaction is never unacknowledged.
func transactionOptions(o args) (*options.TransactionOptions, error) {
	to := options.Transaction()
	if rc, ok := o.object("readConcern"); ok {
		level, _ := rc.text("level")
		to.SetReadConcern(&readconcern.ReadConcern{Level: level})
	}
	if wc, ok := o.object("writeConcern"); ok {
		concern := &writeconcern.WriteConcern{}
		if n, ok := wc.integer("w"); ok {
			if n == 0 {
				return nil, fmt.Errorf("writeConcern w: 0 in a transaction: a migration needs its writes acknowledged")
			}
			concern.W = int(n)
		} else if w, ok := wc.text("w"); ok {
			concern.W = w
		}
		if j, ok := wc.flag("j"); ok {
			concern.Journal = &j
		}
		to.SetWriteConcern(concern)
	}
	if ms, ok := o.integer("maxCommitTimeMS"); ok {
		d := time.Duration(ms) * time.Millisecond
		to.SetMaxCommitTime(&d)
	}
	return to, nil
}
