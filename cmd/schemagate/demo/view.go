package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// status is the part of GET /status that is shown.
type status struct {
	State   string `json:"state"`
	Role    string `json:"role"`
	Term    int64  `json:"term"`
	Applied int    `json:"applied"`
	Pending int    `json:"pending"`
	Current *struct {
		Version string `json:"version"`
	} `json:"current_migration"`
}

var client = &http.Client{Timeout: time.Second}

// look asks a replica for its status and its app whether it serves; what does not answer is shown as such.
func (a *actor) look(ctx context.Context) {
	if a.ended() {
		a.seen, a.serves = status{State: "dead"}, false
		return
	}
	if body, err := get(ctx, "http://"+a.health+"/status"); err == nil {
		var s status
		if json.Unmarshal(body, &s) == nil {
			a.seen = s
		}
	} else if a.seen.State == "" {
		a.seen.State = "starting"
	}
	_, err := get(ctx, "http://"+a.app+"/")
	a.serves = err == nil
}

func get(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }() // only read
	return io.ReadAll(io.LimitReader(res.Body, 1<<20))
}

// view draws the table in place on a terminal, and elsewhere a line for each change.
type view struct {
	o     Options
	began time.Time
	drawn int               // lines of the table that stand on the screen
	last  map[string]string // by replica, what was shown
}

func newView(o Options) *view { return &view{o: o, began: time.Now(), last: map[string]string{}} }

func (v *view) title(text string) {
	v.drawn = 0
	fmt.Fprintf(v.o.Out, "\n%s\n\n", v.paint("1", text))
}

func (v *view) line(text string) { fmt.Fprintln(v.o.Out, text) }

func (v *view) draw(cast []*actor) {
	if !v.o.Live {
		for _, a := range cast {
			if text := v.row(a); text != v.last[a.name] {
				v.last[a.name] = text
				fmt.Fprintf(v.o.Out, "%6.2fs  %s\n", time.Since(v.began).Seconds(), text)
			}
		}
		return
	}
	var b strings.Builder
	if v.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", v.drawn)
	}
	fmt.Fprintf(&b, "\x1b[2K  %-8s %-11s %-9s %-34s %s\n", "REPLICA", "GATE", "ROLE", "MIGRATION", "APP")
	for _, a := range cast {
		b.WriteString("\x1b[2K  " + v.row(a) + "\n")
	}
	v.drawn = len(cast) + 1
	_, _ = io.WriteString(v.o.Out, b.String()) // a terminal that is gone is noticed by the signal it sends
}

var colors = map[string]string{"open": "32", "migrating": "33", "waiting": "36", "dead": "31", "failed": "31", "closed": "31"}

func (v *view) row(a *actor) string {
	migration, app := "", "-"
	switch {
	case a.seen.Current != nil:
		migration = a.seen.Current.Version + " …"
	case a.seen.State == "open":
		migration = fmt.Sprintf("%d applied", a.seen.Applied)
	}
	if a.serves {
		app = "serving release " + a.release
	}
	role := ""
	if a.seen.Role == "leader" && a.seen.State != "dead" {
		role = "leader"
	}
	state := fmt.Sprintf("%-11s", a.seen.State)
	return fmt.Sprintf("%-8s %s %-9s %-34s %s", a.name, v.paint(colors[a.seen.State], state), role, migration, app)
}

func (v *view) paint(code, text string) string {
	if !v.o.Color || code == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
