package runner_test

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/schemagate/schemagate/database"
)

func (d *simDB) Register(ctx context.Context, r database.Replica) error {
	if err := d.request(ctx); err != nil {
		return err
	}
	d.w.mu.Lock()
	ready := d.w.ready
	if ready {
		d.w.beats++
		r.Beat = fmt.Sprint(d.w.beats)
		d.w.replicas[r.ID] = r
		d.beat, d.looked = time.Now(), false
	}
	d.w.mu.Unlock()
	switch {
	case !ready:
		return database.ErrNotPrepared
	case d.replyLost():
		return database.ErrUnreachable
	}
	return nil
}

func (d *simDB) Deregister(ctx context.Context, ids ...string) error {
	if err := d.request(ctx); err != nil {
		return err
	}
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	for _, id := range ids {
		delete(d.w.replicas, id)
	}
	return nil
}

func (d *simDB) Registry(ctx context.Context) (database.Registry, error) {
	if err := d.request(ctx); err != nil {
		return database.Registry{}, err
	}
	if d.census { // what happens right after a reading is what it can't know of
		select {
		case d.w.asked <- struct{}{}:
		default:
		}
	}
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	out := database.Registry{Server: d.w.server}
	for _, r := range d.w.replicas {
		out.Replicas = append(out.Replicas, r)
	}
	return out, nil
}

func (d *simDB) Glance(ctx context.Context, digest string) (clear, init bool, err error) {
	if err := d.request(ctx); err != nil {
		return false, false, err
	}
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	for _, e := range slices.Backward(d.w.history) {
		if e.Kind == database.Complete && e.Digest == digest {
			d.looked = true
			_, init := d.w.replicas[database.InitReplica(digest)]
			return true, init, nil
		}
		if slices.Contains(database.Decides[:], e.Kind) {
			return false, false, nil
		}
	}
	return false, false, nil
}
