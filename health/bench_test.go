package health

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// constant is the least that net/http can do, for comparison.
var constant = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
	_, _ = w.Write([]byte("ok\n"))
})

func benchmarkHTTP(b *testing.B, url string) {
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	client := &http.Client{Transport: transport}
	defer transport.CloseIdleConnections()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			resp, err := client.Get(url)
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	})
}

func BenchmarkReadyzHTTP(b *testing.B) {
	benchmarkHTTP(b, "http://"+serve(b, openGate(b), Options{}).Addr()+"/readyz")
}

func BenchmarkConstantHTTP(b *testing.B) {
	s := httptest.NewServer(constant)
	defer s.Close()
	benchmarkHTTP(b, s.URL+"/readyz")
}

// nowhere is a ResponseWriter that costs nothing itself.
type nowhere struct{ header http.Header }

func (n nowhere) Header() http.Header         { return n.header }
func (n nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (n nowhere) WriteHeader(int)             {}

func benchmarkHandler(b *testing.B, h http.Handler) {
	r := httptest.NewRequest(http.MethodGet, "/readyz", nil)
	w := nowhere{http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(w, r)
	}
}

func BenchmarkReadyzHandler(b *testing.B) { benchmarkHandler(b, NewServer(openGate(b), Options{})) }

func BenchmarkConstantHandler(b *testing.B) { benchmarkHandler(b, constant) }

func TestProbesAllocateNothing(t *testing.T) {
	s := NewServer(openGate(t), Options{})
	w := nowhere{http.Header{}}
	for _, path := range []string{"/livez", "/readyz", "/healthz", "/startupz"} {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		if n := testing.AllocsPerRun(100, func() { s.ServeHTTP(w, r) }); n != 0 {
			t.Errorf("%s: %v allocations", path, n)
		}
	}
}

func BenchmarkUpdate(b *testing.B) {
	g := NewGate()
	g.Update(func(s *Status) { s.Migrations = make([]Migration, 1000) })
	b.ReportAllocs()
	for b.Loop() {
		g.Update(func(s *Status) { s.Term++ })
	}
}
