package servers

import (
	"io"
	"math"
	"os"
	"path/filepath"
)

func (s *server) logFile() string { return filepath.Join(s.dir, "log") }

// Log returns what the server has logged so far, over all its runs.
func (s *server) Log() string {
	b, err := os.ReadFile(s.logFile())
	if err != nil {
		return ""
	}
	return string(b)
}

// LogSize is how long Log is by now, in bytes.
func (s *server) LogSize() int64 {
	info, err := os.Stat(s.logFile())
	if err != nil {
		return 0
	}
	return info.Size()
}

// LogSince is what Log holds after so many bytes.
func (s *server) LogSince(size int64) string {
	f, err := os.Open(s.logFile())
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.NewSectionReader(f, size, math.MaxInt64-size))
	if err != nil {
		return ""
	}
	return string(b)
}

func (s *server) logTail() string {
	log := s.Log()
	const most = 4 << 10
	if len(log) > most {
		log = "..." + log[len(log)-most:]
	}
	return "log of " + s.name + ":\n" + log
}
