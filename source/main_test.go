package source

import (
	"encoding/pem"
	"net/http/httptest"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain trusts the certificate of Go's test servers by way of SSL_CERT_FILE, which is read once in a process.
func TestMain(m *testing.M) {
	s := httptest.NewTLSServer(nil)
	s.Close()
	f, err := os.CreateTemp("", "ca-*.pem")
	if err != nil {
		panic(err)
	}
	err = pem.Encode(f, &pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err != nil || f.Close() != nil || os.Setenv("SSL_CERT_FILE", f.Name()) != nil {
		panic("no certificate to trust")
	}
	goleak.VerifyTestMain(suite{m, f.Name()})
}

type suite struct {
	m    *testing.M
	file string
}

func (s suite) Run() int {
	defer os.Remove(s.file)
	return s.m.Run()
}
