package playground

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/countersign/countersign/cmd/countersign/internal/tokenview"
	"github.com/countersign/countersign/cmd/countersign/internal/wire"
	"github.com/countersign/countersign/discovery"
)

// rowSteps are the rows of the API's list that read each member of an access token.
var rowSteps = func() map[string]string {
	steps := map[string]string{}
	for _, row := range tokenview.AccessTokenRows() {
		for _, claim := range row.Claims {
			steps[claim] = strings.TrimSpace(fmt.Sprintf("%s a%d", steps[claim], row.Number))
		}
	}
	return steps
}()

// The number of the row about the key that a token is bound to.
var bindingRow = len(tokenview.AccessTokenRows())

// Why there is no list.
const (
	noteIntrospection = "This API asks the server about each token (introspection), and does not check the token itself."
	noteNoRequest     = "The API received no request with a JWT in this run."
)

// apiChecks are the checks of RFC 9068 for the token of the last request to the API, with what
// the API compares it with. note says why there is no list.
func (l *lab) apiChecks(ctx context.Context) (rows []Step, note string) {
	if l.on["opaque"] || l.on["introspection"] {
		return nil, noteIntrospection
	}
	x, reason := l.lastAPIRequest()
	if x == nil {
		return nil, noteNoRequest
	}
	_, raw, _ := strings.Cut(x.Header.Get("Authorization"), " ")
	token, err := tokenview.Read(raw)
	if err != nil {
		return nil, noteNoRequest
	}
	keys := (&discovery.Provider{Issuer: l.issuer.URL, HTTP: l.issuer.Client()}).Keys()
	checks := token.AccessTokenChecks(ctx, tokenview.Options{Issuer: l.issuer.URL, Audience: l.api, Keys: keys, Now: l.now})
	for _, c := range checks {
		if c.Number == bindingRow && c.Result == tokenview.NotChecked {
			c.Result, c.Reason = bindingOf(x, reason)
		}
		rows = append(rows, Step{c.Number, c.Test, c.Clause, string(c.Result), c.Reason})
	}
	return rows, ""
}

// lastAPIRequest returns the last request with a token, or nil. reason is the reason in the API's
// last log line.
func (l *lab) lastAPIRequest() (x *wire.Exchange, reason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.arrows {
		if a.To == laneAPI && a.x.Header.Get("Authorization") != "" {
			x = a.x
		}
	}
	return x, lastReason(l.logs)
}

// bindingOf returns the result of the API's check of the key of a bound token. It is read from the
// response, because the other rows are only about the token.
func bindingOf(x *wire.Exchange, reason string) (tokenview.Result, string) {
	challenge := strings.Join(x.Answer.Values("Www-Authenticate"), " ")
	if x.Status == http.StatusUnauthorized && (strings.Contains(challenge, "invalid_token") || strings.Contains(challenge, "invalid_dpop_proof")) {
		return tokenview.Failed, reason
	}
	return tokenview.Valid, "the API checked the proof or the certificate of this request"
}
