package health

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

const (
	probeEvery = time.Second
	// Until the app has answered once it is asked more often: its start is waited for.
	probeEveryAtFirst = 200 * time.Millisecond
	probeTimeout      = 2 * time.Second
)

// Prober asks the app whether it is well, in the background, and tells the gate.
type Prober struct {
	gate   *Gate
	ask    func(context.Context) error
	done   chan struct{}
	client *http.Client

	every, everyAtFirst, timeout time.Duration
}

// NewProber checks the address: http://... is well when it answers 2xx, tcp://HOST:PORT
// when it accepts a connection. From now on the gate is ready only while the app answers,
// so that one made before the gate opens leaves no moment in which it is ready without.
func NewProber(gate *Gate, address string) (*Prober, error) {
	p := &Prober{gate: gate, done: make(chan struct{}), every: probeEvery, everyAtFirst: probeEveryAtFirst, timeout: probeTimeout}
	u, err := url.Parse(address)
	if err != nil { // its text would repeat the address, and a password in it
		return nil, errors.New("SCHEMAGATE_APP_HEALTH_URL: not a URL; give http://HOST:PORT/PATH or tcp://HOST:PORT")
	}
	switch {
	case u.Host == "":
		return nil, fmt.Errorf("SCHEMAGATE_APP_HEALTH_URL: %q has no host; give http://HOST:PORT/PATH or tcp://HOST:PORT", u.Redacted())
	case u.Scheme == "http" || u.Scheme == "https":
		p.client = &http.Client{
			// Own connections, as a new client would make them; never through a proxy.
			Transport: &http.Transport{DisableKeepAlives: true},
			// A redirect to a login page is not a 2xx.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
		p.ask = func(ctx context.Context) error { return p.askHTTP(ctx, u) }
	case u.Scheme == "tcp" && u.Port() != "" && (u.Path == "" || u.Path == "/"):
		p.ask = func(ctx context.Context) error { return askTCP(ctx, u.Host) }
	case u.Scheme == "tcp":
		return nil, fmt.Errorf("SCHEMAGATE_APP_HEALTH_URL: %q must be tcp://HOST:PORT", u.Redacted())
	default:
		return nil, fmt.Errorf("SCHEMAGATE_APP_HEALTH_URL: scheme %q is not one of http, https, tcp", u.Scheme)
	}
	gate.SetApp(false, "not asked yet")
	return p, nil
}

// Start begins asking, until ctx ends. Call it once, then Wait.
func (p *Prober) Start(ctx context.Context) { go p.run(ctx) }

// Wait returns when a started prober has ended.
func (p *Prober) Wait() { <-p.done }

func (p *Prober) run(ctx context.Context) {
	defer close(p.done)
	next := time.NewTimer(0)
	defer next.Stop()
	pause := p.everyAtFirst
	for {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
		}
		try, cancel := context.WithTimeoutCause(ctx, p.timeout, fmt.Errorf("no answer within %s", p.timeout))
		err := p.ask(try)
		if cause := context.Cause(try); err != nil && cause != nil {
			err = cause
		}
		cancel()
		if ctx.Err() != nil {
			return // our own end says nothing about the app
		}
		if err == nil {
			p.gate.SetApp(true, "")
			pause = p.every
		} else {
			p.gate.SetApp(false, err.Error())
		}
		next.Reset(pause)
	}
}

func (p *Prober) askHTTP(ctx context.Context, u *url.URL) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", "schemagate")
	resp, err := p.client.Do(req)
	if err != nil {
		return withoutURL(err)
	}
	defer resp.Body.Close()
	// Read a little, so that a small answer is not cut off in the app's log.
	_, _ = io.CopyN(io.Discard, resp.Body, 4<<10)
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("HTTP status %d", resp.StatusCode)
	}
	return nil
}

func askTCP(ctx context.Context, host string) error {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", host)
	if err != nil {
		return err
	}
	return c.Close()
}

// withoutURL drops the address that net/http puts before an error: it may hold a token.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
