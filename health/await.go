package health

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"time"
)

// awaitTimeout is a little longer than a server holds a waiter, so that a host which
// vanished without a word does not hold it for ever.
const awaitTimeout = 75 * time.Second

// Await asks the leader at addr (HOST:PORT) to tell when its round ends, and returns
// then. Joined is called once, with the number of those who were waiting before: the
// larger it is, the later this replica should look, so that not all look at once.
//
// However Await ends, it is a hint to look and no more: nil is no promise that the
// gate opened, and an error none that the leader is gone. It may return at once, so
// callers keep a shortest time between looks of their own.
func Await(ctx context.Context, addr string, joined func(rank int)) error {
	ctx, cancel := context.WithTimeout(ctx, awaitTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/wake", nil)
	if err != nil {
		return fmt.Errorf("await %s: %w", addr, err)
	}
	dialer := net.Dialer{Timeout: askTimeout}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: dialer.DialContext}}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("await: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("await %s: HTTP status %d", addr, resp.StatusCode)
	}
	lines := bufio.NewReaderSize(resp.Body, 256)
	var first struct {
		Rank *int `json:"rank"`
	}
	line, err := lines.ReadSlice('\n')
	if err != nil {
		return fmt.Errorf("await %s: %w", addr, err)
	}
	if json.Unmarshal(line, &first) != nil || first.Rank == nil || *first.Rank < 0 {
		return fmt.Errorf("await %s: this is no schemagate: %.40q", addr, line)
	}
	joined(*first.Rank)
	if _, err := lines.ReadSlice('\n'); err != nil {
		return fmt.Errorf("await %s: %w", addr, err)
	}
	return nil
}
