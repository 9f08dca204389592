package machines_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	"github.com/countersign/countersign/client/tokens"
	"github.com/countersign/countersign/idtoken"
	"github.com/countersign/countersign/rs"
)

// operations are the operations of a process. Each has an argument and returns its result.
var operations = map[string]func(p *program, arg string) string{
	"sign in":  (*program).signIn,
	"request":  (*program).request,
	"sign out": (*program).signOut,

	"request with tokens": (*program).requestWithTokens,
	"back channel":        (*program).backChannel,
	"add tokens":          (*program).addTokens,
	"use tokens":          (*program).useTokens,
	"refresh":             (*program).refresh,
	"proof":               (*program).proof,
	"logout token":        (*program).logoutToken,
	"end access":          (*program).endAccess,
	"is ended":            (*program).isEnded,
	"introspect":          (*program).introspect,
	"event":               (*program).event,

	"sign in with an offer": (*program).signInOffered,
	"bind":                  (*program).bindDevice,
	"refresh the bound":     (*program).refreshDevice,
	"request of a bound":    (*program).requestBound,
	"sign out the bound":    (*program).signOutBound,

	"agent starts":    (*program).agentStarts,
	"agent calls":     (*program).agentCalls,
	"agent refreshes": (*program).agentRefreshes,
	"agent signs out": (*program).agentSignsOut,
}

func (p *program) handle(r *http.Request) *http.Response { return answer(p.mux, r) }

func answer(h http.Handler, r *http.Request) *http.Response {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func (p *program) to(method, path string, body []byte) *http.Request {
	r := httptest.NewRequest(method, p.Front+path, bytes.NewReader(body))
	r.RequestURI = path // as a server sees it
	return r
}

// signIn signs a user in and returns the cookies of the browser.
func (p *program) signIn(user string) string {
	done, wrong := p.callback(p.mux, user)
	if wrong != "" {
		return wrong
	}
	return sessionCookie(done)
}

// callback signs a user in and returns the response of the callback.
func (p *program) callback(site http.Handler, user string) (done *http.Response, wrong string) {
	begun := answer(site, p.to("GET", "/login", nil))
	back, err := atIssuer(begun.Header.Get("Location") + "&login_hint=" + url.QueryEscape(user))
	if err != nil {
		return nil, err.Error()
	}
	r := p.to("GET", "/callback?"+back.RawQuery, nil)
	r.Header.Set("Cookie", cookies(begun))
	done = answer(site, r)
	if done.StatusCode != http.StatusSeeOther && done.StatusCode != http.StatusFound {
		return nil, "callback: " + done.Status
	}
	return done, ""
}

func sessionCookie(resp *http.Response) string {
	for _, c := range resp.Cookies() {
		if c.Name == "__Host-login" {
			return c.Name + "=" + c.Value
		}
	}
	return "no session cookie"
}

// atIssuer is the browser at the issuer, which signs the user in at once.
func atIssuer(address string) (*url.URL, error) {
	hc := &http.Client{Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := hc.Get(address)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return resp.Location()
}

// cookies returns the cookies that a response sets, without the ones that it removes.
func cookies(resp *http.Response) string {
	var pairs []string
	for _, c := range resp.Cookies() {
		if c.MaxAge >= 0 && c.Value != "" {
			pairs = append(pairs, c.Name+"="+c.Value)
		}
	}
	return strings.Join(pairs, "; ")
}

func (p *program) request(cookie string) string { return p.visit("/plain", cookie) }

func (p *program) requestWithTokens(cookie string) string { return p.visit("/", cookie) }

func (p *program) visit(path, cookie string) string {
	r := p.to("GET", path, nil)
	r.Header.Set("Cookie", cookie)
	return p.handle(r).Status
}

func (p *program) signOut(cookie string) string {
	r := p.to("POST", "/logout", nil)
	r.Header.Set("Cookie", cookie)
	return p.handle(r).Status
}

func (p *program) backChannel(token string) string {
	r := p.to("POST", "/backchannel", []byte(url.Values{"logout_token": {token}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return p.handle(r).Status
}

// keptLogin is a login whose tokens are stored.
type keptLogin struct {
	Key    string
	Tokens *tokens.Stored
}

// withLogin reads the argument of the operations with tokens.
func withLogin(arg string, do func(ctx context.Context, login keptLogin) (string, error)) string {
	var login keptLogin
	err := json.Unmarshal([]byte(arg), &login)
	if err == nil {
		arg, err = do(context.Background(), login)
	}
	if err != nil {
		return err.Error()
	}
	return arg
}

func (p *program) addTokens(arg string) string {
	return withLogin(arg, func(ctx context.Context, login keptLogin) (string, error) {
		got, err := login.Tokens.Tokens()
		if err != nil {
			return "", err
		}
		return "added", p.refresher.Add(ctx, login.Key, got)
	})
}

func (p *program) useTokens(arg string) string {
	return withLogin(arg, func(ctx context.Context, login keptLogin) (string, error) {
		got, err := p.refresher.Tokens(ctx, login.Key)
		if err != nil {
			return "", err
		}
		return got.AccessToken, nil
	})
}

// refresh gets new tokens, because an API has rejected the tokens of the argument.
func (p *program) refresh(arg string) string {
	return withLogin(arg, func(ctx context.Context, login keptLogin) (string, error) {
		rejected, err := login.Tokens.Tokens()
		if err != nil {
			return "", err
		}
		got, err := p.refresher.Renew(ctx, login.Key, rejected)
		if err != nil {
			return "", err
		}
		return got.AccessToken, nil
	})
}

// proof sends a request with a token and a DPoP proof.
func (p *program) proof(arg string) string {
	token, proof, _ := strings.Cut(arg, " ")
	r := httptest.NewRequest("GET", audience+"/api", nil)
	r.Header.Set("Authorization", "DPoP "+token)
	r.Header.Set("DPoP", proof)
	return p.handle(r).Status
}

func (p *program) logoutToken(token string) string {
	_, err := p.logouts.VerifyLogout(context.Background(), token)
	switch {
	case errors.Is(err, idtoken.ErrReplayed):
		return "used before"
	case err != nil:
		return err.Error()
	}
	return "accepted"
}

func (p *program) endAccess(sid string) string {
	if err := p.revocations.EndAccess(context.Background(), apiIssuer, "", sid, time.Now()); err != nil {
		return err.Error()
	}
	return "ended"
}

// isEnded reports whether this process rejects the tokens of a session.
func (p *program) isEnded(sid string) string {
	err := p.revocations.CheckRevocation(context.Background(), "canary-token", &rs.Principal{Issuer: apiIssuer, SessionID: sid})
	return fmt.Sprint(err != nil)
}

func (p *program) introspect(token string) string {
	caller, err := p.answers.VerifyToken(context.Background(), token)
	if err != nil {
		return err.Error()
	}
	return caller.Subject
}

func (p *program) event(token string) string {
	if err := p.events.Apply(context.Background(), token); err != nil {
		return err.Error()
	}
	return "applied"
}
