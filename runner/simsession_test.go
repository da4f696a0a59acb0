package runner_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/schemagate/schemagate/database"
)

// simSession is a session at the server: it lives until it is closed, ended, or its dead client is noticed.
type simSession struct {
	*node
	term   database.Term
	origin database.Origin
	ended  bool // under world.mu
}

func (s *simSession) Close() {
	s.mu.Lock()
	dead := s.dead
	s.mu.Unlock()
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	if !dead { // a dead client closes nothing
		s.w.end(s)
	}
}

func (s *simSession) gone() bool {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	return s.ended
}

// enter begins a transaction: the fence row is locked, then compared by the production code.
func (s *simSession) enter(ctx context.Context) error {
	if err := s.request(ctx); err != nil {
		return fmt.Errorf("%w: %w", database.ErrInterrupted, err)
	}
	if s.gone() {
		return database.ErrInterrupted
	}
	if !s.w.await(s, 500*time.Millisecond) {
		return database.ErrBlocked
	}
	s.w.mu.Lock()
	now := s.w.fence
	s.w.mu.Unlock()
	if err := s.term.Check(now); err != nil {
		s.rollback()
		return err
	}
	return nil
}

func (s *simSession) rollback() {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	if s.w.lock == s {
		s.w.lock = nil
	}
}

// commit keeps what the transaction did, unless the session was ended or the request was lost, and may lose the answer.
func (s *simSession) commit(ctx context.Context, events ...database.Event) error {
	if err := s.request(ctx); err != nil {
		if errors.Is(err, context.Canceled) {
			s.rollback()
			return database.ErrInterrupted
		}
		s.w.mu.Lock() // the connection broke before the commit arrived
		s.w.end(s)
		s.w.mu.Unlock()
		return database.ErrUnknown
	}
	s.w.mu.Lock()
	if s.ended {
		s.w.mu.Unlock()
		return database.ErrUnknown
	}
	s.w.append(s.term, events...)
	s.w.lock = nil
	s.w.mu.Unlock()
	if s.replyLost() {
		return database.ErrUnknown
	}
	return nil
}

func (s *simSession) Apply(ctx context.Context, changes ...database.Change) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	s.w.mu.Lock()
	done := s.w.inForce(changes[0].Version)
	s.w.mu.Unlock()
	if done {
		s.rollback()
		return database.ErrNotPending
	}
	s.mu.Lock()
	d := time.Duration(s.rng.Int64N(int64(4 * time.Second)))
	if s.rng.IntN(6) == 0 {
		d *= 8 // several TTLs
	}
	s.mu.Unlock()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if s.gone() {
			s.hit("statement ended")
			return database.ErrInterrupted
		}
		if ctx.Err() != nil {
			s.rollback()
			return database.ErrInterrupted
		}
		if s.isDead() { // the statement goes on at the server; nothing will ever commit it
			runtime.Goexit()
		}
	}
	c := changes[0]
	return s.commit(ctx, database.Event{Kind: database.Applied, Version: c.Version, Checksum: c.Checksum, Replica: s.origin.Replica})
}

func (s *simSession) Record(ctx context.Context, events ...database.Event) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	return s.commit(ctx, events...)
}

func (s *simSession) Probe(context.Context, database.Statement) (bool, error) {
	return false, database.ErrUndecided
}

// Acquire is the lease row, judged on the server's clock.
func (d *simDB) Acquire(ctx context.Context, c database.Claim) (database.Holding, error) {
	if err := d.request(ctx); err != nil {
		return nil, err
	}
	w := d.w
	w.mu.Lock()
	l := w.lease
	age := time.Since(l.renewed)
	free := l.claim.Holder == "" || age >= l.ttl || l.node.isDead() && age > 2*l.interval
	if free {
		w.lease = simLease{claim: c, node: d.node, renewed: time.Now(), ttl: simTTL, interval: simInterval}
	}
	w.mu.Unlock()
	if !free {
		return nil, database.ErrHeld
	}
	if d.replyLost() {
		return nil, database.ErrUnreachable
	}
	return &simHolding{d.node, c}, nil
}

type simHolding struct {
	*node
	claim database.Claim
}

func (h *simHolding) Renew(ctx context.Context) error {
	if err := h.request(ctx); err != nil {
		return err
	}
	h.w.mu.Lock()
	held := h.w.lease.claim.Holder == h.claim.Holder
	if held {
		h.w.lease.renewed = time.Now()
	}
	h.w.mu.Unlock()
	switch {
	case !held:
		return database.ErrHeld
	case h.replyLost():
		return database.ErrUnreachable
	}
	return nil
}

func (h *simHolding) Release(ctx context.Context) error {
	if err := h.request(ctx); err != nil {
		return err
	}
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	if h.w.lease.claim.Holder == h.claim.Holder {
		h.w.lease.claim.Holder = ""
	}
	return nil
}
