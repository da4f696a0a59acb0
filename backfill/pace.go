package backfill

import "time"

// How batches are sized: toward a time that a writer who meets its locks hardly notices.
const (
	// Target is the time that a batch is to take.
	Target = 200 * time.Millisecond
	// MaxSize is the most keys in a batch whose author names no size: it bounds the memory on both sides.
	MaxSize = 10_000
	first   = 500
	// least is where a batch stops shrinking for its time's sake: what every batch costs, whatever its size, would be paid ever
	// more often.
	least = 100
)

// Sizer finds how many keys a batch may have.
type Sizer struct {
	size, limit int
}

// NewSizer starts small; limit 0 is MaxSize.
func NewSizer(limit int) *Sizer {
	if limit == 0 {
		limit = MaxSize
	}
	return &Sizer{size: min(first, limit), limit: limit}
}

// Size is that of the next batch.
func (s *Sizer) Size() int { return s.size }

// Took tells how long a batch of n keys took. A batch at the end of a pass says little, and never makes the next one larger.
func (s *Sizer) Took(n int, took time.Duration) {
	took = max(took, time.Millisecond)
	want := int(float64(n) * float64(Target) / float64(took))
	want = min(want, 2*s.size) // one quick batch may have met nothing to change
	if n < s.size {
		want = min(want, s.size)
	}
	if want > s.size-s.size/10 && want < s.size {
		return // noise
	}
	s.size = max(min(want, s.limit), min(least, s.size))
}

// Held makes the next batch smaller: fewer rows meet fewer locks.
func (s *Sizer) Held() { s.size = max(1, s.size/2) }

// Rate is how fast keys are walked, over about the last half minute.
type Rate struct {
	began time.Time
	last  time.Time
	value float64
}

// Add counts n keys at a moment.
func (r *Rate) Add(n int, now time.Time) {
	if r.began.IsZero() {
		r.began, r.last = now, now
		return
	}
	gap := now.Sub(r.last).Seconds()
	if gap <= 0 {
		return
	}
	r.last = now
	const memory = 30 // seconds
	weight := min(1, gap/min(memory, max(gap, now.Sub(r.began).Seconds())))
	r.value += (float64(n)/gap - r.value) * weight
}

// PerSecond is the rate, 0 before the second batch.
func (r *Rate) PerSecond() float64 { return r.value }

// ETA is the time for left more keys, negative where it can't be told.
func (r *Rate) ETA(left int64) time.Duration {
	if left < 0 || r.value <= 0 {
		return -1
	}
	return time.Duration(float64(left) / r.value * float64(time.Second))
}

// backoff is the wait before the n-th further try for a lock.
func backoff(tries int) time.Duration {
	return min(100*time.Millisecond<<min(tries, 10), 5*time.Second)
}
