package endpoint

import (
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// TestHostilePages: no page of a server costs much time, whatever tags it has.
func TestHostilePages(t *testing.T) {
	for _, unit := range []string{"<script<!x>", "<!--<style<head<?x>", "<head>", "<head <script>", "<title>", "<", "&#", "<!--", "a", strings.Repeat("a", 39) + " ", "\xff<\u0130"} {
		r := &Response{Status: 400, MediaType: "text/html", Body: []byte(strings.Repeat(unit, MaxDocument/len(unit)))}
		r.credentials = []string{strings.Repeat("canary", 2000)}
		begun := time.Now()
		if text := r.foreign(); len(text) > maxDescription {
			t.Errorf("%q: %d bytes", unit, len(text))
		}
		if d := time.Since(begun); d > 2*time.Second {
			t.Errorf("%q: %v", unit, d)
		}
	}
}

// TestPageText: a person sees the title and the text, not the rest of a page.
func TestPageText(t *testing.T) {
	for page, want := range map[string]string{
		"<head><style>p{}</style><TITLE>No</TITLE></head><p>Way": "No Way",
		"<header>Top</header> a":                                 "Top a",
		"expected <8 characters":                                 "expected <8 characters",
		"<head><title>T</title><body>no end":                     "T T no end",
		"a<script>canary":                                        "a",
		"a<!-- > canary --> b":                                   "a b",
		"\u0130<SCRIPT src=x>canary</Script >\u0130b":            "\u0130 \u0130b",
		strings.Repeat(" ", maxPage) + "canary":                  "",
		`<?xml version="1.0"?><e><![CDATA[x]]></e>`:              "",
		"<h1>Not &lt;b&gt;</h1>":                                 "Not <b>",
	} {
		if got := pageText(page); got != want {
			t.Errorf("%.80q: %q, expected %q", page, got, want)
		}
	}
}

// TestEchoes: a server or a proxy writes a credential into its error, in several notations. No error
// of this module contains it.
func TestEchoes(t *testing.T) {
	const secret = "canarY-S3cret+/with words"
	r, _ := http.NewRequest("POST", "https://as.example/token", nil)
	r.SetBasicAuth("client", url.QueryEscape(secret))
	form := url.Values{"code": {"k4nary"}, "refresh_token": {secret}}
	b64 := base64.StdEncoding.EncodeToString
	for name, text := range map[string]string{
		"plain": secret, "upper case": strings.ToUpper(secret), "query": url.QueryEscape(secret), "path": url.PathEscape(secret), "lower-case escapes": strings.ToLower(url.QueryEscape(secret)),
		"every byte": "%63%61%6e%61%72%59%2d%53%33%63%72%65%74%2b%2f%77%69%74%68%20%77%6f%72%64%73",
		"base64":     b64([]byte(secret)), "base64 of the header": strings.TrimPrefix(r.Header.Get("Authorization"), "Basic "), "base64 in two": b64([]byte("id:" + secret))[:20] + " " + b64([]byte("id:" + secret))[20:],
		"hex": hex.EncodeToString([]byte(secret)), "tags": "can<b>arY</b>-S3cr<i>et+/with words</i>", "entities": "&#99;anarY-S3cret&plus;/with&nbsp;words", "twice": "&amp;#99;anarY-S3cret+/with words",
		"JSON": `canarY-S3cret\u002b\/with words`, "JSON letters": `\u0063anarY-S3cret+/with words`, "cut": secret[:22], "spaces": "canarY-S3cret+/with  words", "soft hyphen": "canarY\u00ad-S3cret+/with words", "code": "k4nary", "code in upper case": "K4NARY",
	} {
		for kind, body := range map[string]string{
			"text/html":                "<p>the value " + text + " is wrong</p>",
			"text/plain":               "the value " + text + " is wrong",
			"application/json":         `{"message":"the value ` + strings.ReplaceAll(text, `\`, `\\`) + ` is wrong"}`,
			"application/problem+json": `{"error":"invalid_grant","error_description":"the value ` + strings.ReplaceAll(text, `\`, `\\`) + ` is wrong"}`,
		} {
			resp := &Response{Status: 400, MediaType: kind, Body: []byte(body), secrets: secretsOf(r, form), credentials: credentialsOf(r, form)}
			resp.Body = []byte(strings.Replace(body, `"invalid_grant"`, `"the value `+strings.ReplaceAll(text, `\`, `\\`)+`"`, 1))
			if got := resp.Failure("cause").Error(); strings.Contains(got, "the value") && !strings.Contains(got, "value [redacted]") {
				t.Errorf("%s, %s as a code: %s", name, kind, got)
			}
			resp.Body = []byte(body)
			e := resp.Failure("cause")
			if got := e.Error(); strings.Contains(got, "is wrong") && !strings.Contains(got, "value [redacted] is") || !strings.Contains(got, "[redacted]") {
				t.Errorf("%s, %s: %s", name, kind, got)
			}
		}
	}
}

// TestUsefulErrors: ordinary explanations stay, also if a secret is made of words.
func TestUsefulErrors(t *testing.T) {
	for _, secret := range []string{"secret", "my-production-client-secret-2026", "test", "1", "", "!!!!!!!!!", "changeit"} {
		for _, text := range []string{"Invalid client secret", "client 1 is unknown, test it", "code_challenge_method must be S256"} {
			form := url.Values{"client_secret": {secret}, "code_challenge_method": {"S256"}, "authorization_details": {`[{"type":"payment_initiation"}]`}}
			r := &http.Request{Header: http.Header{}}
			resp := &Response{Status: 400, MediaType: "text/plain", Body: []byte(text), secrets: secretsOf(r, form), credentials: credentialsOf(r, form)}
			if got := resp.foreign(); got != text {
				t.Errorf("%q: %q, expected %q", secret, got, text)
			}
		}
	}
}
