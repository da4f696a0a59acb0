package health

import (
	"net/http"
	"strconv"
	"time"
)

// turns are how many of those who wait at /wake look at the same time, once there is
// something to see. A look keeps a core busy, here and at the server, so that more at
// once are not faster; and connections are what a database has few of.
const turns = 8

// wake is the long-poll by which followers learn of the end of a round sooner. Its
// lines tell how many are there, at once and then with every beat, so that they know
// how seldom each of them need look meanwhile, and that we are not hung.
//
// After the round comes the turnstile: for a waiter that has asked for it (?turn), the
// last line says that it is its turn to look, and while it looks it holds the
// connection. The next one's turn comes when it hangs up: never more than turns look at
// once, as fast as the machine and the database let them.
func (s *Server) wake(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	if r.Method == http.MethodHead {
		h["Content-Type"] = typeND
		return
	}
	rank, round, ok := s.gate.join(s.limits.waiters)
	if !ok { // so many are here that there is no room for more
		h.Set("Retry-After", "5")
		h["Content-Type"] = typeND
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write(ranked(s.limits.waiters))
		return
	}
	defer s.gate.leave()
	// The server's timeouts are for short answers; the one for reading would also end
	// the request's context while we wait.
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(time.Time{})
	h["Content-Type"] = typeND
	h["Cache-Control"] = noStore
	h["X-Content-Type-Options"] = noSniff
	h["X-Accel-Buffering"] = []string{"no"} // a proxy would hold back the first line
	say := func(line []byte) bool {
		_ = c.SetWriteDeadline(time.Now().Add(s.limits.write))
		_, _ = w.Write(line)
		return c.Flush() == nil
	}
	if !say(ranked(rank)) {
		return
	}
	turn := r.URL.RawQuery == "turn"
	var beat <-chan time.Time
	if turn {
		t := time.NewTicker(s.limits.beat)
		defer t.Stop()
		beat = t.C
	}
	end := time.NewTimer(s.limits.wake)
	defer end.Stop()
	var free chan<- struct{}
	for {
		select {
		case <-beat:
			if !say(ranked(s.gate.waiters.Load() - 1)) {
				return
			}
			continue
		case <-round:
			if turn {
				round, free = nil, s.turns
				continue
			}
		case free <- struct{}{}:
			if say([]byte("{\"woke\":true,\"turn\":true}\n")) {
				s.look(r)
			}
			<-s.turns
			return
		case <-end.C:
		case <-r.Context().Done(): // the waiter went, or the server stops
		}
		say([]byte("{\"woke\":true}\n"))
		return
	}
}

// look returns when the waiter whose turn it is has looked and hangs up. One that is
// dead or hangs costs a turn's time.
func (s *Server) look(r *http.Request) {
	t := time.NewTimer(s.limits.turn)
	defer t.Stop()
	select {
	case <-r.Context().Done():
	case <-t.C:
	}
}

func ranked(rank int64) []byte {
	return append(strconv.AppendInt([]byte(`{"rank":`), rank, 10), "}\n"...)
}
