package secrettest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Verify checks the Signature Version 4 of a request as its receiver does.
func Verify(r *http.Request, body []byte, accessKey, secretKey, region, service string) error {
	rest, ok := strings.CutPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ")
	if !ok {
		return errors.New("no signature of version 4")
	}
	part := map[string]string{}
	for field := range strings.SplitSeq(rest, ",") {
		k, v, _ := strings.Cut(strings.TrimSpace(field), "=")
		part[k] = v
	}
	at := r.Header.Get("X-Amz-Date")
	if len(at) != len("20150830T123600Z") {
		return errors.New("no date")
	}
	scope := strings.Join([]string{at[:8], region, service, "aws4_request"}, "/")
	if part["Credential"] != accessKey+"/"+scope {
		return fmt.Errorf("credential %s, want %s/%s", part["Credential"], accessKey, scope)
	}
	names := strings.Split(part["SignedHeaders"], ";")
	if !slices.Contains(names, "host") || !slices.Contains(names, "x-amz-date") {
		return errors.New("host and date are not signed")
	}
	var headers strings.Builder
	for _, name := range names {
		value := strings.Join(r.Header.Values(name), ",")
		switch name {
		case "host":
			value = r.Host
		case "content-length":
			value = fmt.Sprint(r.ContentLength)
		}
		fmt.Fprintf(&headers, "%s:%s\n", name, strings.Join(strings.Fields(value), " "))
	}
	path := r.URL.EscapedPath()
	if path == "" {
		path = "/"
	}
	canonical := strings.Join([]string{
		r.Method, path, query(r.URL.Query()), headers.String(), part["SignedHeaders"], hexHash(body),
	}, "\n")
	key := []byte("AWS4" + secretKey)
	for _, step := range []string{at[:8], region, service, "aws4_request"} {
		key = mac(key, step)
	}
	want := hex.EncodeToString(mac(key, strings.Join([]string{"AWS4-HMAC-SHA256", at, scope, hexHash([]byte(canonical))}, "\n")))
	if !hmac.Equal([]byte(want), []byte(part["Signature"])) {
		return errors.New("the signature does not match")
	}
	return nil
}

func query(v url.Values) string { return strings.ReplaceAll(v.Encode(), "+", "%20") }

func hexHash(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

func mac(key []byte, text string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}
