package script

import (
	"context"
	"fmt"
	"runtime"
	"runtime/metrics"
	"sync/atomic"
	"time"

	"github.com/dop251/goja"
)

// memoryInterval is how often the heap is looked at: a script allocates some tens of MiB in that time.
const memoryInterval = 50 * time.Millisecond

// guard ends a script from outside: when its context is done, or when it has outgrown its memory.
type guard struct {
	why    atomic.Pointer[stop]
	fired  chan struct{} // closed when why is set
	quit   chan struct{}
	exited chan struct{}
}

// watch starts the guard's goroutine; end waits for it.
func watch(ctx context.Context, vm *goja.Runtime, limit int64) *guard {
	g := &guard{fired: make(chan struct{}), quit: make(chan struct{}), exited: make(chan struct{})}
	if limit == 0 {
		limit = DefaultMaxMemory
	}
	go func() {
		defer close(g.exited)
		if err := g.wait(ctx, limit); err != nil {
			g.why.Store(&stop{err})
			close(g.fired)
			vm.Interrupt(err)
		}
	}()
	return g
}

// wait returns why the script is to end, or nil when it has ended by itself.
func (g *guard) wait(ctx context.Context, limit int64) error {
	var look <-chan time.Time
	var start uint64
	if limit > 0 {
		t := time.NewTicker(memoryInterval)
		defer t.Stop()
		look, start = t.C, heapBytes()
	}
	for {
		select {
		case <-g.quit:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-look:
			if !grown(start, limit) {
				continue
			}
			// Most of it may be garbage that was not collected yet.
			runtime.GC()
			if grown(start, limit) {
				return fmt.Errorf("%w of %d MiB", ErrMemory, limit>>20)
			}
		}
	}
}

func grown(start uint64, limit int64) bool {
	now := heapBytes()
	return now > start && now-start > uint64(limit)
}

// heapBytes reads the live heap without stopping the world.
func heapBytes() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

func (g *guard) end() {
	close(g.quit)
	<-g.exited
}

// reason is why the script was ended, or nil.
func (g *guard) reason() error {
	if s := g.why.Load(); s != nil {
		return s.err
	}
	return nil
}
