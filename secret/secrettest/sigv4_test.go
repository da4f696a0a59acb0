package secrettest

import (
	"net/http/httptest"
	"strings"
	"testing"
)

// AWS's published example "get-vanilla", and what differs from it by little.
func TestVerify(t *testing.T) {
	const vanilla = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, " +
		"Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
	const secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	check := func(authorization, date, host, body, key string) error {
		r := httptest.NewRequest("GET", "http://"+host+"/", strings.NewReader(body))
		r.Header.Set("Authorization", authorization)
		r.Header.Set("X-Amz-Date", date)
		return Verify(r, []byte(body), "AKIDEXAMPLE", key, "us-east-1", "service")
	}
	const date, host = "20150830T123600Z", "example.amazonaws.com"
	if err := check(vanilla, date, host, "", secret); err != nil {
		t.Errorf("AWS's own example: %v", err)
	}
	for name, err := range map[string]error{
		"other signature": check(vanilla[:len(vanilla)-1]+"2", date, host, "", secret),
		"other time":      check(vanilla, "20150830T123601Z", host, "", secret),
		"other day":       check(vanilla, "20150831T123600Z", host, "", secret),
		"other host":      check(vanilla, date, "example.com", "", secret),
		"other body":      check(vanilla, date, host, "x", secret),
		"other key":       check(vanilla, date, host, "", secret+"x"),
		"none":            check("", date, host, "", secret),
		"host not signed": check(strings.Replace(vanilla, "host;", "", 1), date, host, "", secret),
	} {
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
