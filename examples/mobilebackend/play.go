package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/examples/internal/visitor"
	"github.com/countersign/countersign/pkce"
)

const (
	appID       = "photo-app"
	appRedirect = "com.example.app://callback"
)

var demoUser = issuertest.User{Subject: "248289761001"}

// app plays the app on the phone, and who holds it.
type app struct {
	issuer, backend string
	visitor         *visitor.Visitor
	out             io.Writer
}

// demonstrate starts a server and a backend, and goes the whole path as the app does.
func demonstrate(ctx context.Context, out io.Writer) error {
	a, stop, err := start(out)
	if err != nil {
		return err
	}
	defer stop()
	return a.play(ctx)
}

// start starts both on free ports.
func start(out io.Writer) (a *app, stop func(), err error) {
	server, err := issuertest.Start(issuertest.Config{
		PlainHTTP: true, Page: true,
		Clients: []issuertest.Client{{ID: appID, Name: "The photo app", RedirectURLs: []string{appRedirect}, Scopes: []string{"openid"}}},
		Users:   []issuertest.User{demoUser},
	})
	if err != nil {
		return nil, nil, err
	}
	b, err := newBackend(client.Config{Issuer: server.URL, ClientID: appID, Auth: auth.Public(), RedirectURL: appRedirect})
	if err != nil {
		return nil, server.Close, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, server.Close, err
	}
	own := serve(l, b.routes())
	v := &visitor.Visitor{Username: demoUser.Subject}
	return &app{server.URL, "http://" + l.Addr().String(), v, out}, func() { own.Close(); server.Close() }, nil
}

func (a *app) say(format string, args ...any) { fmt.Fprintf(a.out, format+"\n", args...) }

// play is a login from the button in the app to a page with the visitor's name.
func (a *app) play(ctx context.Context) error {
	a.say("1. The app makes code verifier, state and nonce, and opens the browser.")
	verifier, state, nonce := pkce.New(), rand.Text(), rand.Text()
	back, err := a.browse(ctx, a.request(verifier, state, nonce))
	if err != nil {
		return err
	}
	a.say("2. The user signs in; the system hands %s://%s?code=… to the app.", back.Scheme, back.Host)
	if back.Query().Get("state") != state {
		return errors.New("state of the response does not match the app's request")
	}
	a.say("3. The app has checked the state, and sends everything to POST %s/login/exchange.", a.backend)
	answer, err := a.send(ctx, back.Query(), verifier, nonce)
	if err != nil {
		return err
	}
	a.say("4. The backend has exchanged the code and checked the ID token. Its response: a session token of the backend, valid for %v seconds.", answer["expires_in"])
	token, _ := answer["token"].(string)
	status, me, err := a.call(ctx, http.MethodGet, "/me", token, nil)
	if err != nil {
		return err
	}
	if status != http.StatusOK || me["sub"] != demoUser.Subject {
		return fmt.Errorf("GET /me: status %d, %v", status, me)
	}
	a.say("5. GET /me with that token: %v at %v.", me["sub"], me["iss"])
	if _, _, err = a.call(ctx, http.MethodPost, "/logout", token, nil); err != nil {
		return err
	}
	if status, _, err = a.call(ctx, http.MethodGet, "/me", token, nil); status != http.StatusUnauthorized {
		return fmt.Errorf("GET /me after the logout: status %d, %v", status, err)
	}
	a.say("6. After POST /logout it is answered 401.")
	return nil
}

// request is the address that the app opens.
func (a *app) request(verifier pkce.Verifier, state, nonce string) string {
	return a.issuer + "/authorize?" + url.Values{
		"client_id": {appID}, "redirect_uri": {appRedirect}, "response_type": {"code"}, "scope": {"openid"}, "state": {state}, "nonce": {nonce},
		"code_challenge": {verifier.Challenge(pkce.S256)}, "code_challenge_method": {"S256"},
	}.Encode()
}

// browse is the user in the browser, up to the address that leads back to the app.
func (a *app) browse(ctx context.Context, address string) (*url.URL, error) {
	back, err := a.visitor.Answer(ctx, address)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(back.String(), appRedirect) {
		return nil, errors.New("the server does not redirect back to the app")
	}
	return back, nil
}

// send hands the backend what it needs.
func (a *app) send(ctx context.Context, q url.Values, verifier pkce.Verifier, nonce string) (map[string]any, error) {
	status, answer, err := a.call(ctx, http.MethodPost, "/login/exchange", "", map[string]string{
		"code": q.Get("code"), "state": q.Get("state"), "iss": q.Get("iss"),
		"code_verifier": string(verifier), "nonce": nonce, "redirect_uri": appRedirect,
	})
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("the backend answers %d, %v", status, answer)
	}
	return answer, err
}

// call is one request of the app to its backend.
func (a *app) call(ctx context.Context, method, path, token string, body any) (status int, answer map[string]any, err error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return 0, nil, err
	}
	r, err := http.NewRequestWithContext(ctx, method, a.backend+path, bytes.NewReader(raw))
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	if raw, err = io.ReadAll(io.LimitReader(resp.Body, 1<<20)); err == nil && len(raw) > 0 {
		err = json.Unmarshal(raw, &answer)
	}
	return resp.StatusCode, answer, err
}
