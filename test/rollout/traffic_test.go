package rollout

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// request is one line of the log of every request.
type request struct {
	at      time.Time // when it was answered
	release string    // by whom; empty: by the load balancer itself
	code    int
	note    string
}

// traffic writes people and reads them again, without a pause, until stopped.
type traffic struct {
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu  sync.Mutex
	log []request
}

func begin(t *testing.T, base string, clients int) *traffic {
	ctx, stop := context.WithCancel(t.Context())
	f := &traffic{stop: stop}
	for i := range clients {
		f.wg.Go(func() { f.client(ctx, base, i) })
	}
	t.Cleanup(func() { f.end() })
	return f
}

// end stops the traffic and returns the log.
func (f *traffic) end() []request {
	f.stop()
	f.wg.Wait()
	return f.log
}

func (f *traffic) client(ctx context.Context, base string, i int) {
	c := &http.Client{Transport: &http.Transport{}}
	defer c.CloseIdleConnections()
	for n := 0; ctx.Err() == nil; n++ {
		name := fmt.Sprintf("person %d of client %d", n, i)
		id := f.ask(ctx, c, http.MethodPost, base+"/people?name="+url.QueryEscape(name), "")
		if id != "" {
			f.ask(ctx, c, http.MethodGet, base+"/people/"+id, name)
		}
	}
}

// ask logs one request and returns the answer of one that succeeded; want, unless empty, is what it must say.
func (f *traffic) ask(ctx context.Context, c *http.Client, method, url, want string) string {
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	var r request
	body := ""
	if err == nil {
		var res *http.Response
		if res, err = c.Do(req); err == nil {
			var b []byte
			b, err = io.ReadAll(res.Body)
			_ = res.Body.Close() // it was read to its end, or the error says why not
			body = strings.TrimSpace(string(b))
			r.code, r.release = res.StatusCode, res.Header.Get("X-Release")
		}
	}
	if ctx.Err() != nil {
		return ""
	}
	r.at = time.Now()
	switch {
	case err != nil:
		r.note = err.Error()
	case r.code != http.StatusOK:
		r.note = body
	case want != "" && body != want:
		r.note = fmt.Sprintf("answered %q, want %q", body, want)
	}
	f.mu.Lock()
	f.log = append(f.log, r)
	f.mu.Unlock()
	if r.note != "" {
		return ""
	}
	return body
}

// served is the number of good answers of a release so far.
func (f *traffic) served(release string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.log {
		if r.release == release && r.note == "" {
			n++
		}
	}
	return n
}
