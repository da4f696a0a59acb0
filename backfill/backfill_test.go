package backfill

import (
	"testing"
	"time"
)

// Whatever happens, a backfill that is not over can be taken up, paused, cancelled; and nothing leads out of done.
func TestStates(t *testing.T) {
	for _, s := range []State{Pending, Running, Throttled, Paused, Failed, Cancelled} {
		for _, on := range []Event{Start, Pause} {
			if _, err := Next(s, on); err != nil {
				t.Error(err)
			}
		}
		if next, err := Next(s, Cancel); s != Cancelled && (err != nil || next != Cancelled) {
			t.Errorf("cancel in %s: %s, %v", s, next, err)
		}
	}
	for _, on := range []Event{Start, Moved, Held, Pause, Resume, Cancel, Break, Finish} {
		if next, err := Next(Done, on); err == nil {
			t.Errorf("%s leads from done to %s", on, next)
		}
	}
	for i, a := range edges {
		for _, b := range edges[:i] {
			if a.from == b.from && a.on == b.on {
				t.Errorf("two edges for %s in %s", a.on, a.from)
			}
		}
	}
}

// The size comes to what takes the target's time, stays within its bounds, and does not shrink for what a batch costs anyway.
func TestSizer(t *testing.T) {
	run := func(limit int, cost func(n int) time.Duration) int {
		s := NewSizer(limit)
		for range 30 {
			if n := s.Size(); n < 1 || limit > 0 && n > limit || n > MaxSize {
				t.Fatalf("a batch of %d", n)
			}
			s.Took(s.Size(), cost(s.Size()))
		}
		return s.Size()
	}
	perKey := func(d time.Duration) func(int) time.Duration {
		return func(n int) time.Duration { return time.Duration(n) * d }
	}
	if got := run(0, perKey(50*time.Microsecond)); got < 3500 || got > 4500 {
		t.Errorf("%d keys at 50 µs, want about 4000", got)
	}
	if got := run(0, perKey(time.Microsecond)); got != MaxSize {
		t.Errorf("%d keys at 1 µs, want %d", got, MaxSize)
	}
	if got := run(700, perKey(time.Microsecond)); got != 700 {
		t.Errorf("%d keys, want the author's 700", got)
	}
	if got := run(0, func(int) time.Duration { return time.Second }); got != least {
		t.Errorf("%d keys where each batch costs a second, want %d", got, least)
	}
	s := NewSizer(0)
	for range 20 {
		s.Held()
	}
	if s.Size() != 1 {
		t.Errorf("%d keys after 20 locks", s.Size())
	}
	s.Took(1, time.Millisecond)
	if s.Size() != 2 {
		t.Errorf("%d keys after the lock, want 2", s.Size())
	}
}

func TestRate(t *testing.T) {
	var r Rate
	at := time.Unix(0, 0)
	if r.ETA(10) >= 0 {
		t.Error("a time left out of nothing")
	}
	for range 50 {
		r.Add(100, at)
		at = at.Add(time.Second)
	}
	if got := r.PerSecond(); got < 99 || got > 101 {
		t.Errorf("%v keys a second, want 100", got)
	}
	if got := r.ETA(1000); got < 9*time.Second || got > 11*time.Second {
		t.Errorf("%v left, want 10s", got)
	}
	if r.ETA(-1) >= 0 {
		t.Error("a time left for an unknown number")
	}
}
