package health

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"net/http"
	"strconv"
	"sync"
)

//go:embed page.html
var pageHTML []byte

// page is the response headers of the page; made at its first request.
var page = sync.OnceValue(func() map[string][]string {
	policy := "default-src 'none'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'" +
		"; style-src " + sourceHash(pageHTML, "style") + "; script-src " + sourceHash(pageHTML, "script")
	return map[string][]string{
		"Content-Type":            typeHTML,
		"Content-Length":          {strconv.Itoa(len(pageHTML))},
		"Content-Security-Policy": {policy},
		"Cache-Control":           noStore,
		"Referrer-Policy":         {"no-referrer"},
		"X-Content-Type-Options":  noSniff,
	}
})

// sourceHash is the policy's word for the one element of that name in the page, so that
// nothing that finds its way into the page later can run.
func sourceHash(html []byte, element string) string {
	_, rest, _ := bytes.Cut(html, []byte("<"+element+">"))
	text, _, _ := bytes.Cut(rest, []byte("</"+element+">"))
	sum := sha256.Sum256(text)
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

func servePage(w http.ResponseWriter) {
	h := w.Header()
	for name, values := range page() {
		h[name] = values
	}
	_, _ = w.Write(pageHTML)
}
