package script

import (
	"container/heap"
	"fmt"
	"time"

	"github.com/dop251/goja"
)

// loop is the event loop: tasks in the order in which they were queued, and timers. Microtasks are the engine's own: it runs them whenever a task returns.
type loop struct {
	tasks  []func() error
	timers timers
	// byID finds the timers that are still to fire.
	byID    map[int64]*timer
	timerID int64
	// rejected is the promises that were rejected and have no handler, oldest first.
	rejected []*goja.Promise
}

type timer struct {
	id    int64
	due   time.Time
	every time.Duration // 0: once
	call  func() error
	index int
}

func (l *loop) queue(task func() error) { l.tasks = append(l.tasks, task) }

// minTimer is the shortest delay, as in Node: an interval of 0 must not starve the rest.
const minTimer = time.Millisecond

func (l *loop) addTimer(delay time.Duration, repeat bool, call func() error) int64 {
	l.timerID++
	delay = max(delay, minTimer)
	t := &timer{id: l.timerID, due: time.Now().Add(delay), call: call}
	if repeat {
		t.every = delay
	}
	if l.byID == nil {
		l.byID = map[int64]*timer{}
	}
	l.byID[t.id] = t
	heap.Push(&l.timers, t)
	return t.id
}

func (l *loop) clearTimer(id int64) {
	if t, ok := l.byID[id]; ok {
		delete(l.byID, id)
		heap.Remove(&l.timers, t.index)
	}
}

// fireDue runs the timers whose time has come.
func (l *loop) fireDue() error {
	for len(l.timers) > 0 && !l.timers[0].due.After(time.Now()) {
		t := heap.Pop(&l.timers).(*timer)
		if t.every > 0 {
			t.due = time.Now().Add(t.every)
			heap.Push(&l.timers, t)
		} else {
			delete(l.byID, t.id)
		}
		if err := t.call(); err != nil {
			return err
		}
	}
	return nil
}

// turn runs the next task, then the timers that are due. It reports whether there was a task.
func (l *loop) turn() (bool, error) {
	if err := l.fireDue(); err != nil {
		return false, err
	}
	if len(l.tasks) == 0 {
		return false, nil
	}
	task := l.tasks[0]
	l.tasks[0] = nil
	l.tasks = l.tasks[1:]
	return true, task()
}

func (m *machine) trackRejection(p *goja.Promise, op goja.PromiseRejectionOperation) {
	if op == goja.PromiseRejectionReject {
		m.rejected = append(m.rejected, p)
		return
	}
	for i, r := range m.rejected {
		if r == p {
			m.rejected = append(m.rejected[:i], m.rejected[i+1:]...)
			return
		}
	}
}

// settle turns the loop until the promise has settled, then until every call that was not awaited has ended.
func (m *machine) settle(export string, v goja.Value) (goja.Value, error) {
	p, ok := v.Export().(*goja.Promise)
	if ok {
		if err := m.await(export, p); err != nil {
			return nil, err
		}
		// Its rejection is the run's own error, below.
		m.trackRejection(p, goja.PromiseRejectionHandle)
		if p.State() == goja.PromiseStateRejected {
			return nil, m.thrown(p.Result())
		}
		v = p.Result()
	}
	calls := m.calls
	for {
		more, err := m.turn()
		if err != nil || m.interrupted() {
			return nil, m.failed(err)
		}
		if !more {
			break
		}
	}
	if m.calls > calls {
		m.options.log("warn", "%s:%d: %s() returned before this call to the database was made: an await is missing", m.program.file, m.lastPlace.line, export)
	}
	if n := len(m.byID); n > 0 {
		m.options.log("warn", "%s: %d timers were still set when %s() ended; they are dropped", m.program.file, n, export)
	}
	if len(m.rejected) > 0 {
		e := m.thrown(m.rejected[0].Result())
		e.Message += " (nothing awaited this promise)"
		return nil, e
	}
	return v, nil
}

func (m *machine) await(export string, p *goja.Promise) error {
	for p.State() == goja.PromiseStatePending {
		more, err := m.turn()
		if err != nil || m.interrupted() {
			return m.failed(err)
		}
		if more || p.State() != goja.PromiseStatePending {
			continue
		}
		if len(m.timers) == 0 {
			return m.neverSettles(export)
		}
		wait := time.NewTimer(time.Until(m.timers[0].due))
		select {
		case <-wait.C:
		case <-m.guard.fired:
			wait.Stop()
			return m.failed(nil)
		}
	}
	return nil
}

func (m *machine) neverSettles(export string) error {
	err := fmt.Errorf("%s() waits for something that nothing is left to do: %w", export, ErrNeverSettles)
	if m.lastPlace.line > 0 {
		err = fmt.Errorf("%s() waits for something that nothing is left to do: %w; its last call to the database was made here", export, ErrNeverSettles)
	}
	return m.stopped(err, m.lastPlace)
}

// reason is what ends the run from outside, or nil. It may have come between two turns.
func (m *machine) reason() error {
	if m.fatal != nil {
		return m.fatal
	}
	return m.guard.reason()
}

func (m *machine) interrupted() bool { return m.reason() != nil }

// timers is a heap by due time, and by age among equals.
type timers []*timer

func (t timers) Len() int { return len(t) }
func (t timers) Less(i, j int) bool {
	if t[i].due.Equal(t[j].due) {
		return t[i].id < t[j].id
	}
	return t[i].due.Before(t[j].due)
}
func (t timers) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].index, t[j].index = i, j
}
func (t *timers) Push(x any) {
	e := x.(*timer)
	e.index = len(*t)
	*t = append(*t, e)
}
func (t *timers) Pop() any {
	old := *t
	e := old[len(old)-1]
	*t = old[:len(old)-1]
	return e
}
