package harness

import (
	"bytes"
	"strings"
	"sync"
)

// Stream collects what a process writes and tells who waits for a line.
type Stream struct {
	mu      sync.Mutex
	data    bytes.Buffer
	changed chan struct{}
}

// NewStream returns an empty one.
func NewStream() *Stream { return &Stream{changed: make(chan struct{})} }

func (s *Stream) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.changed)
	s.changed = make(chan struct{})
	return s.data.Write(b)
}

// Text is all that came so far.
func (s *Stream) Text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.data.String()
}

// Grep returns the lines that hold the text, and a channel that is closed when there is more.
func (s *Stream) Grep(text string) (lines []string, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for line := range strings.Lines(s.data.String()) {
		if strings.Contains(line, text) {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines, s.changed
}
