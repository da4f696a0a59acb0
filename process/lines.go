package process

import (
	"bytes"
	"os"
	"sync"
	"unicode/utf8"
)

// MaxLine is the longest line that a LineWriter hands on; a longer one comes in parts.
const MaxLine = 64 << 10

// LineWriter splits what is written to it into lines. It is safe for concurrent use, but two writers may then interleave within
// a line: give each stream its own, or both streams of one command the same (see Spec).
type LineWriter struct {
	mu     sync.Mutex
	each   func(line string)
	part   []byte
	closed bool
}

// Lines returns a writer that calls each for every line, without its end (LF or CRLF), one call at a time. Close hands on a
// last line that has no end.
func Lines(each func(line string)) *LineWriter {
	return &LineWriter{each: each}
}

// Write never fails but after Close.
func (w *LineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return 0, os.ErrClosed
	}
	n := len(p)
	for len(p) > 0 {
		end := bytes.IndexByte(p, '\n')
		if end >= 0 && len(w.part)+end <= MaxLine {
			w.part = append(w.part, p[:end]...)
			w.flush()
			p = p[end+1:]
			continue
		}
		take := min(len(p), MaxLine-len(w.part))
		w.part = append(w.part, p[:take]...)
		p = p[take:]
		if len(w.part) == MaxLine && len(p) > 0 {
			w.flushPart()
		}
	}
	return n, nil
}

// Close hands on what is left. Closing twice is safe.
func (w *LineWriter) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed && len(w.part) > 0 {
		w.flush()
	}
	w.closed = true
	return nil
}

func (w *LineWriter) flush() {
	w.each(string(bytes.TrimSuffix(w.part, []byte("\r"))))
	w.part = w.part[:0]
}

// flushPart hands on a part of a line that is too long, cut between characters.
func (w *LineWriter) flushPart() {
	cut := len(w.part)
	for back := 1; back < utf8.UTFMax; back++ {
		if i := len(w.part) - back; utf8.RuneStart(w.part[i]) {
			if !utf8.FullRune(w.part[i:]) {
				cut = i
			}
			break
		}
	}
	w.each(string(w.part[:cut]))
	w.part = append(w.part[:0], w.part[cut:]...)
}

// Tail keeps the last lines that were added, for the error of a command that failed.
type Tail struct {
	mu    sync.Mutex
	lines []string
	next  int
}

// NewTail keeps n lines.
func NewTail(n int) *Tail {
	return &Tail{lines: make([]string, 0, n)}
}

// Add appends a line and drops the oldest when there are too many.
func (t *Tail) Add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case cap(t.lines) == 0:
	case len(t.lines) < cap(t.lines):
		t.lines = append(t.lines, line)
	default:
		t.lines[t.next] = line
		t.next = (t.next + 1) % len(t.lines)
	}
}

// Lines returns them, the oldest first.
func (t *Tail) Lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append(append([]string{}, t.lines[t.next:]...), t.lines[:t.next]...)
}
