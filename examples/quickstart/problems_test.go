package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/examples/internal/visitor"
)

// TestProblemTexts: visitors read a text for each code of login. The quickstart sets neither
// cookies as the store, nor Limit, nor RequireDevice.
func TestProblemTexts(t *testing.T) {
	elsewhere := []string{"session_too_large", "too_many_requests", "device_required"}
	codes := problemCodes(t)
	for _, code := range codes {
		if text := problems[code]; (text.Title == "" || text.Text == "") != slices.Contains(elsewhere, code) {
			t.Errorf("%s: %+v", code, text)
		}
	}
	for code := range problems {
		if !slices.Contains(codes, code) {
			t.Errorf("%s is not a code of login", code)
		}
	}
}

// problemCodes returns the constants of client/login whose names begin with Code.
func problemCodes(t *testing.T) (codes []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../client/login/problem.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if s, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(s.Names[0].Name, "Code") {
			code, _ := strconv.Unquote(s.Values[0].(*ast.BasicLit).Value)
			codes = append(codes, code)
		}
		return true
	})
	if len(codes) < 16 {
		t.Fatalf("only %d codes: %q", len(codes), codes)
	}
	return codes
}

// TestAPIDown: the page has a link to try again, and an id that is in the log.
func TestAPIDown(t *testing.T) {
	b := startBench(t)
	v := b.browser(t)
	v.get(v.callback().String())
	b.endAPI()
	s := v.get(b.app + "/photos")
	b.wantFailure(t, s, http.StatusBadGateway, "temporarily_unavailable")
	if !strings.Contains(s.Body, `href="/photos">Try again<`) || !strings.Contains(s.Element("code", "reason"), "refused") {
		t.Errorf("the page:\n%s", s.Body)
	}
	if !strings.Contains(b.written.String(), "level=ERROR") {
		t.Errorf("the log:\n%s", b.written)
	}
}

// TestRejectedToken: if the ID token is rejected, the page has the 14 steps, with the cause at the
// step that failed.
func TestRejectedToken(t *testing.T) {
	b, page := failedLogin(t, issuertest.IDTokenNonceWrong)
	b.wantFailure(t, page, http.StatusBadRequest, "login_failed")
	rows := page.Table("report")
	if len(rows) != 15 || rows[11][2] != "failed" || !strings.Contains(rows[11][1], "nonce") || rows[6][2] != "valid" {
		t.Errorf("the table: %q", rows)
	}
	if !strings.Contains(page.Body, "1 failed") {
		t.Errorf("the summary of the table:\n%s", page.Body)
	}
}

// TestUnreadableToken: only the first step of a malformed ID token failed. The others were not
// checked.
func TestUnreadableToken(t *testing.T) {
	_, page := failedLogin(t, issuertest.IDTokenUnreadable)
	rows := page.Table("report")
	if len(rows) != 15 || rows[1][2] != "failed" || rows[2][2] != "not checked" || rows[14][2] != "not checked" {
		t.Errorf("the table: %q", rows)
	}
	if !strings.Contains(page.Body, "1 failed, 13 not checked") {
		t.Errorf("the summary of the table:\n%s", page.Body)
	}
}

// failedLogin returns the page after a login at a server with a fault.
func failedLogin(t *testing.T, fault issuertest.Fault) (*bench, *visitor.Page) {
	t.Helper()
	app := listenLoopback(t)
	app.Close() // the quickstart will listen there
	address := app.Addr().String()
	server := issuertest.New(t, issuertest.Config{
		PlainHTTP: true, Page: true, Clients: []issuertest.Client{{ID: "mine", RedirectURLs: []string{"http://" + address + "/callback"}}},
		Faults: []issuertest.Fault{fault},
	})
	b := startBench(t, "-issuer", server.URL, "-client-id", "mine", "-listen", address)
	v := b.browser(t)
	v.Username = issuertest.Subject
	return b, v.get(v.callback().String())
}
