package trace

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

const (
	sendEvery = 5 * time.Second // what the SDK waits, too
	most      = 4096            // spans that wait to be sent; one is some 500 bytes
)

// Trace is one trace, and the goroutine that sends its spans. Its methods may be called by several goroutines at once.
type Trace struct {
	settings *Settings
	client   *http.Client
	id       [16]byte
	began    time.Time

	mu      sync.Mutex
	ended   []*Span
	dropped int
	lost    error // why the latest sending failed

	stop context.CancelFunc
	done chan struct{} // closed when the sender has ended
}

// Start begins a trace, or goes on with the one of TRACEPARENT, and sends what has ended now and then until Close, which ends it;
// that ctx ends does not.
func Start(ctx context.Context, s *Settings) *Trace {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	t := &Trace{settings: s, client: s.client(), id: s.parent.trace, began: time.Now(), stop: stop, done: make(chan struct{})}
	if t.id == [16]byte{} {
		_, _ = rand.Read(t.id[:]) // never fails
	}
	go func() {
		defer close(t.done)
		tick := time.NewTicker(sendEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				t.send(ctx)
			}
		}
	}()
	return t
}

// Span is an interval with a name. Only its own goroutine writes to it, until End.
type Span struct {
	trace      *Trace
	id, parent [8]byte
	name       string
	start, end time.Duration // since the trace began
	attrs      []Attr
	failed     bool
	message    string
}

// Root is a span that begins with the trace, below that of TRACEPARENT, if there is one.
func (t *Trace) Root(name string) *Span { return t.span(t.settings.parent.span, name, 0) }

// Child is a span below s that began at start, a time of Now.
func (s *Span) Child(name string, start time.Duration) *Span { return s.trace.span(s.id, name, start) }

func (t *Trace) span(parent [8]byte, name string, start time.Duration) *Span {
	s := &Span{trace: t, parent: parent, name: name, start: start}
	_, _ = rand.Read(s.id[:])
	return s
}

// Now is the time since the trace began.
func (t *Trace) Now() time.Duration { return time.Since(t.began) }

// Set adds an attribute: a string, an int64 or a bool.
func (s *Span) Set(name string, value any) { s.attrs = append(s.attrs, Attr{name, value}) }

// Fail marks the span as failed; the message must hold nothing secret.
func (s *Span) Fail(message string) { s.failed, s.message = true, message }

// End ends the span at a time of Now; nothing may be written to it after.
func (s *Span) End(at time.Duration) {
	s.end = at
	t := s.trace
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.ended) >= most {
		t.dropped++
		return
	}
	t.ended = append(t.ended, s)
}

// send hands over what has ended; what the collector may take another time is kept.
func (t *Trace) send(ctx context.Context) {
	t.mu.Lock()
	spans := t.ended
	t.mu.Unlock()
	if len(spans) == 0 {
		return
	}
	retry, err := t.post(ctx, encode(t, spans))
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lost = err
	if !retry {
		t.ended = append([]*Span(nil), t.ended[len(spans):]...)
	}
}

func (t *Trace) post(ctx context.Context, body []byte) (retry bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.settings.endpoint, bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	req.Header = t.settings.headers.Clone()
	req.Header.Set("Content-Type", "application/x-protobuf")
	res, err := t.client.Do(req)
	if err != nil {
		return true, err
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10)) // so that the connection can be used again
	if res.StatusCode/100 == 2 {
		return false, nil
	}
	busy := res.StatusCode == http.StatusTooManyRequests || res.StatusCode == http.StatusBadGateway ||
		res.StatusCode == http.StatusServiceUnavailable || res.StatusCode == http.StatusGatewayTimeout
	return busy, fmt.Errorf("the collector answered %s", res.Status)
}

// Close sends what is left, and waits for it no longer than ctx; no span may end after. The error says what was lost.
func (t *Trace) Close(ctx context.Context) error {
	t.stop()
	<-t.done
	t.send(ctx)
	t.client.CloseIdleConnections()
	t.mu.Lock()
	defer t.mu.Unlock()
	var err error
	if t.lost != nil {
		err = fmt.Errorf("send spans, see OTEL_EXPORTER_OTLP_ENDPOINT: %w", t.lost)
	}
	if t.dropped > 0 {
		err = errors.Join(err, fmt.Errorf("%d spans too many were dropped", t.dropped))
	}
	return err
}
