package secrettest

import (
	"cmp"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// AWS's published examples: the Signature Version 4 test suite, and the request from the page that explains signing. All are
// of one key and one moment.
var published = []struct {
	name, method, url, body string
	headers                 []string // name, value, ...
	service, signed         string
	signature               string
}{
	{name: "get-vanilla", signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
	{name: "get-utf8", url: "/ሴ", signature: "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
	{name: "get-vanilla-query-order-key-case", url: "/?Param2=value2&Param1=value1",
		signature: "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
	{name: "get-header-value-order", headers: []string{"My-Header1", "value4", "My-Header1", "value1", "My-Header1", "value3", "My-Header1", "value2"},
		signed: "host;my-header1;x-amz-date", signature: "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01"},
	{name: "get-header-value-trim", headers: []string{"My-Header1", " value1", "My-Header2", ` "a   b   c"`},
		signed: "host;my-header1;my-header2;x-amz-date", signature: "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
	{name: "post-vanilla", method: "POST", signature: "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
	{name: "post-vanilla-query", method: "POST", url: "/?Param1=value1", signature: "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"},
	{name: "post-header-key-sort", method: "POST", headers: []string{"My-Header1", "value1"}, signed: "host;my-header1;x-amz-date",
		signature: "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"},
	{name: "post-header-value-case", method: "POST", headers: []string{"My-Header1", "VALUE1"}, signed: "host;my-header1;x-amz-date",
		signature: "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d"},
	{name: "post-x-www-form-urlencoded", method: "POST", body: "Param1=value1", headers: []string{"Content-Type", "application/x-www-form-urlencoded"},
		signed: "content-type;host;x-amz-date", signature: "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
	{name: "post-sts-header-before", method: "POST", headers: []string{"X-Amz-Security-Token",
		"AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi" +
			"/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPk" +
			"UL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="},
		signed: "host;x-amz-date;x-amz-security-token", signature: "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"},
	{name: "ListUsers", url: "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08", service: "iam",
		headers: []string{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"},
		signed:  "content-type;host;x-amz-date", signature: "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"},
}

const moment = "20150830T123600Z"

func TestVerifyTakesWhatAWSPublished(t *testing.T) {
	for _, v := range published {
		url := v.url
		if !strings.HasPrefix(url, "https:") {
			url = "https://example.amazonaws.com/" + strings.TrimPrefix(url, "/")
		}
		method, service, signed := cmp.Or(v.method, "GET"), cmp.Or(v.service, "service"), cmp.Or(v.signed, "host;x-amz-date")
		verify := func(body, signature string) error {
			r := httptest.NewRequest(method, url, strings.NewReader(body))
			r.Header = http.Header{"X-Amz-Date": {moment}, "Authorization": {"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/" + service +
				"/aws4_request, SignedHeaders=" + signed + ", Signature=" + signature}}
			for i := 0; i < len(v.headers); i += 2 {
				r.Header.Add(v.headers[i], v.headers[i+1])
			}
			return Verify(r, []byte(body), AccessKey, SecretKey, "us-east-1", service)
		}
		if err := verify(v.body, v.signature); err != nil {
			t.Errorf("%s: %v", v.name, err)
		}
		if verify(v.body+"x", v.signature) == nil {
			t.Errorf("%s: another body is accepted", v.name)
		}
		if verify(v.body, strings.Repeat("0", len(v.signature))) == nil {
			t.Errorf("%s: another signature is accepted", v.name)
		}
	}
}

// What differs from AWS's example by little is refused.
func TestVerifyRefuses(t *testing.T) {
	const vanilla = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, " +
		"Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
	check := func(authorization, date, host, key string) error {
		r := httptest.NewRequest("GET", "http://"+host+"/", nil)
		r.Header.Set("Authorization", authorization)
		r.Header.Set("X-Amz-Date", date)
		return Verify(r, nil, AccessKey, key, "us-east-1", "service")
	}
	const host = "example.amazonaws.com"
	if err := check(vanilla, moment, host, SecretKey); err != nil {
		t.Errorf("AWS's own example: %v", err)
	}
	for name, err := range map[string]error{
		"other time":      check(vanilla, "20150830T123601Z", host, SecretKey),
		"other day":       check(vanilla, "20150831T123600Z", host, SecretKey),
		"other host":      check(vanilla, moment, "example.com", SecretKey),
		"other key":       check(vanilla, moment, host, SecretKey+"x"),
		"none":            check("", moment, host, SecretKey),
		"host not signed": check(strings.Replace(vanilla, "host;", "", 1), moment, host, SecretKey),
	} {
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
