package health

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// askTimeout bounds a probe whose context has no deadline; container engines kill one
// that hangs, and then tell nobody why.
const askTimeout = 3 * time.Second

// ErrUnknownProbe: there are three.
var ErrUnknownProbe = errors.New("unknown probe; there are live, ready and startup")

// Probe asks the instance on this host that listens on addr, as SCHEMAGATE_HTTP_ADDR
// has it: live, ready (also the empty string) or startup. Nil means yes.
func Probe(ctx context.Context, addr, what string) error {
	path, ok := map[string]string{"": "/readyz", "ready": "/readyz", "live": "/livez", "startup": "/startupz"}[what]
	if !ok {
		return fmt.Errorf("%q: %w", what, ErrUnknownProbe)
	}
	if addr == "off" {
		return errors.New("SCHEMAGATE_HTTP_ADDR is off: there is no endpoint to ask")
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("SCHEMAGATE_HTTP_ADDR: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, askTimeout)
		defer cancel()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+path, nil)
	if err != nil {
		return fmt.Errorf("SCHEMAGATE_HTTP_ADDR: %w", err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("ask %s: %w", strings.TrimPrefix(path, "/"), err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	if err != nil {
		return fmt.Errorf("ask %s: %w", strings.TrimPrefix(path, "/"), err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %d: %s", strings.TrimPrefix(path, "/"), resp.StatusCode, bytes.TrimSpace(body))
	}
	return nil
}
