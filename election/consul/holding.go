package consul

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/election"
)

// holding is a session that holds the key, and the lease in the database that shows it.
type holding struct {
	e       *Elector
	session string
	// taken ends when another winner has taken the lease in the database; its cause says so.
	taken context.Context
	take  context.CancelCauseFunc

	lease  database.Holding // nil where there is none
	keeper sync.WaitGroup   // renews the lease, until the lead ends
}

func newHolding(e *Elector, session string) *holding {
	h := &holding{e: e, session: session}
	h.taken, h.take = context.WithCancelCause(context.Background())
	return h
}

// renew extends the session and checks that it still holds the key: whoever can write there can also take it away.
func (h *holding) renew(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(h.taken, cancel)()
	err := h.confirm(ctx)
	if h.taken.Err() != nil {
		return context.Cause(h.taken)
	}
	return err
}

func (h *holding) confirm(ctx context.Context) error {
	if err := h.extend(ctx); err != nil {
		return err
	}
	pair, err := h.e.read(ctx, &api.QueryOptions{RequireConsistent: true})
	if err != nil {
		return err
	}
	if pair == nil || pair.Session != h.session {
		return fmt.Errorf("%w: our session no longer holds %s in Consul", election.ErrLost, h.e.key)
	}
	return nil
}

func (h *holding) extend(ctx context.Context) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	_, err := h.e.client.Raw().Write("/v1/session/renew/"+h.session, nil, nil, h.e.write(ctx))
	var se api.StatusError
	if errors.As(err, &se) && se.Code == http.StatusNotFound {
		return fmt.Errorf("%w: Consul has ended the session, or does not know it", election.ErrLost)
	}
	if err != nil {
		return h.e.fail(ctx, "renew the session", err)
	}
	return nil
}

// show takes the lease in the database, whoever had it, in the name of the session.
func (h *holding) show(ctx context.Context, lead *election.Lead, c election.Candidate) error {
	// Not for longer than the lead lasts: a row that is written late would hide the next winner's.
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(lead.Context(), func() { cancel(context.Cause(lead.Context())) })()
	lease, err := h.e.opt.Leases.Acquire(ctx, database.Claim{Holder: c.Holder, Replica: c.Replica, Release: c.Release, Address: c.Address,
		Token: h.session, Exclusive: c.Exclusive, Force: true})
	if err != nil {
		return err
	}
	h.lease = lease
	h.keeper.Go(func() { h.keep(lead.Context()) })
	if !lead.Alive() {
		return fmt.Errorf("%w: it took too long", election.ErrLost)
	}
	return nil
}

// keep renews the lease until the lead ends.
func (h *holding) keep(lead context.Context) {
	tick := time.NewTicker(h.e.opt.Timing.Interval)
	defer tick.Stop()
	for {
		select {
		case <-lead.Done():
			return
		case <-tick.C:
		}
		ctx, cancel := bounded(lead)
		err := h.lease.Renew(ctx)
		cancel()
		if errors.Is(err, database.ErrHeld) {
			// Only a winner forces its way in, so there is one, of this Consul or of another.
			h.take(fmt.Errorf("%w: another winner has taken the lease in the database", election.ErrLost))
			return
		}
	}
}

// resign gives back the lease first: followers wake when the key is free, and should then see that nobody leads.
func (h *holding) resign(ctx context.Context) error {
	h.keeper.Wait() // the lead has ended
	h.take(nil)
	var lerr error
	if h.lease != nil {
		short, cancel := context.WithTimeout(ctx, time.Second) // what is left is for Consul
		lerr = h.lease.Release(short)
		cancel()
	}
	// Released before it is destroyed: that is what followers wait for. Destroyed in any case, which releases too.
	rerr := h.e.release(ctx, h.session)
	derr := h.e.destroy(ctx, h.session)
	if derr == nil {
		rerr = nil
	}
	return errors.Join(lerr, rerr, derr)
}
