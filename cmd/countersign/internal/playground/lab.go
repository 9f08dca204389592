package playground

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"

	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/grant"
	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/client/tokens"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/rs"
)

// The registrations at the embedded server, and what the API needs for a deletion.
const (
	appID     = "print-shop"
	apiID     = "photo-album"
	strongACR = "mfa"
)

// lab is a server, an application, an API and a browser on loopback, for one run. The
// application and the API are built from this module's own packages, as a user would.
type lab struct {
	on     map[string]bool
	issuer *issuertest.Issuer
	app    string // addresses
	api    string
	client *client.Client
	login  *login.Login
	pages  *http.ServeMux  // of the application
	cert   tls.Certificate // of the client, with mTLS
	key    issuertest.Key
	roots  []*x509.Certificate

	browser *http.Client
	ahead   atomic.Int64 // how far the application's clock is ahead, in nanoseconds
	closers []func()

	// Of some attacks: the browser that a response belongs to, and the response.
	attacker *http.Client
	stolen   delivery

	mu     sync.Mutex
	tamper func(*http.Response) // changes the responses to the programs of the lab; nil changes nothing
	quiet  bool                 // nothing is recorded any more
	arrows []*arrow
	logs   []string
	tokens *client.Tokens
	reason error
}

// newLab starts everything. Close ends it.
func newLab(on map[string]bool) (l *lab, err error) {
	l = &lab{on: on, cert: issuertest.NewCertificate(), key: issuertest.NewKey("print-shop-1", "ES256")}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	appListener, err := l.listen(&l.app)
	if err != nil {
		return nil, err
	}
	apiListener, err := l.listen(&l.api)
	if err != nil {
		return nil, err
	}
	if l.issuer, err = issuertest.Start(l.serverConfig()); err != nil {
		return nil, err
	}
	l.closers = append(l.closers, l.issuer.Close)
	l.roots = append(l.roots, l.issuer.Certificate())
	l.browser = l.newBrowser()
	l.serve(apiListener, l.apiHandler())
	application, err := l.application()
	if err != nil {
		return nil, err
	}
	l.serve(appListener, application)
	return l, nil
}

func (l *lab) serverConfig() issuertest.Config {
	registration := issuertest.Client{
		ID: appID, Secret: "print-shop-secret", RedirectURLs: []string{l.app + "/callback"}, Audience: []string{l.api},
		BackChannelLogoutURL: l.app + "/backchannel-logout",
	}
	if fapi(l.on) {
		registration.Secret = ""
	}
	if fapi(l.on) || l.on["jar"] {
		registration.Keys = issuertest.JWKS(l.key)
	}
	if l.on["encryption"] {
		registration.Keys, registration.IDTokenEncryptionAlg = encryptionKeys(registration.Keys, l.key), "ECDH-ES"
	}
	c := issuertest.Config{
		Algorithm: "ES256", Clients: []issuertest.Client{registration, {ID: apiID, Secret: "photo-album-secret"}},
		HTTP: &http.Client{Transport: l.recorder(laneServer, l.trusting()), Timeout: 5 * time.Second},
	}
	if l.on["opaque"] {
		c.AccessTokens = issuertest.Opaque
	}
	return c
}

// now is the time of the application and of the API.
func (l *lab) now() time.Time { return l.issuer.Now().Add(time.Duration(l.ahead.Load())) }

// clientConfig is the application's. The switches change what GoLines shows.
func (l *lab) clientConfig() client.Config {
	c := client.Config{
		Issuer: l.issuer.URL, ClientID: appID, Auth: auth.Secret("print-shop-secret"), RedirectURL: l.app + "/callback",
		Scopes: []string{"openid", "profile", "photos"}, IDTokenAlgs: []string{"ES256"}, PAR: client.PAROff, Now: l.now,
		HTTP: &http.Client{Transport: l.recorder(laneApp, l.trusting())},
	}
	for _, s := range settings {
		if s.when(l.on) && s.apply != nil {
			s.apply(l, &c)
		}
	}
	return c
}

func (l *lab) signingKey() auth.SigningKey {
	return auth.SigningKey{KeyID: l.key.ID, Key: l.key.Private}
}

func (l *lab) application() (http.Handler, error) {
	var err error
	if l.client, err = client.New(l.clientConfig()); err != nil {
		return nil, err
	}
	l.login, err = login.New(login.Config{
		Clients: map[string]*client.Client{"main": l.client}, Store: &login.Memory{}, Keys: [][]byte{randomKey()}, KeepTokens: true, Claims: []string{"name"}, Now: l.now,
		Log: slog.New(slog.NewTextHandler(logWriter{l, "application"}, nil)),
		SignIn: func(_ context.Context, _ *login.User, t *client.Tokens, _ url.Values) error {
			l.note(func() { l.tokens = t })
			return nil
		},
		OnProblem: func(_ context.Context, _ login.Problem, reason error) { l.note(func() { l.reason = reason }) },
	})
	if err != nil {
		return nil, err
	}
	return l.routes(), nil
}

func (l *lab) routes() http.Handler {
	mux := http.NewServeMux()
	l.pages = mux
	mux.Handle("/login", l.login.Start())
	mux.Handle("/callback", l.login.Callback())
	mux.Handle("/logout", l.login.Logout())
	mux.Handle("/backchannel-logout", l.login.BackchannelLogout())
	mux.Handle("/photos", l.login.Require(l.page(http.MethodGet)))
	mux.Handle("/delete", l.login.Require(l.page(http.MethodDelete)))
	mux.Handle("/exchange", l.login.Require(http.HandlerFunc(l.exchange)))
	mux.Handle("/revoke", l.login.Require(http.HandlerFunc(l.revoke)))
	mux.Handle("/device", http.HandlerFunc(l.device))
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "The print shop") })
	return mux
}

// page calls the API with the visitor's access token. It starts a step-up login if the API requires
// one (RFC 9470).
func (l *lab) page(method string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, ok := login.FromContext(r.Context())
		if !ok {
			http.Error(w, "not signed in", http.StatusUnauthorized)
			return
		}
		hc := &http.Client{Timeout: 10 * time.Second, Transport: &tokens.Transport{
			Client: l.client, Tokens: user, Origins: []string{l.api}, Base: l.recorder(laneApp, l.trusting()),
		}}
		ask, _ := http.NewRequestWithContext(r.Context(), method, l.api+"/photos", nil)
		resp, err := hc.Do(ask)
		var challenge *tokens.ChallengeError
		if errors.As(err, &challenge) && challenge.ACRValues != nil {
			more := challenge.Request()
			l.login.Begin(w, r, login.BeginOptions{Request: &more, ReturnTo: r.RequestURI})
			return
		}
		if err != nil {
			http.Error(w, "The API rejects the request.", http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		fmt.Fprintf(w, "The print shop: %s, the API answers %d", user.Claim("name"), resp.StatusCode)
	})
}

func (l *lab) exchange(w http.ResponseWriter, r *http.Request) {
	user, ok := login.FromContext(r.Context())
	if !ok {
		http.Error(w, "not signed in", http.StatusUnauthorized)
		return
	}
	t, err := user.Tokens(r.Context())
	if err == nil {
		_, err = grant.TokenExchange(r.Context(), l.client, grant.ExchangeRequest{SubjectToken: t.AccessToken, Audiences: []string{l.api}})
	}
	done(w, err, "The token is exchanged.")
}

func (l *lab) revoke(w http.ResponseWriter, r *http.Request) {
	user, ok := login.FromContext(r.Context())
	if !ok {
		http.Error(w, "not signed in", http.StatusUnauthorized)
		return
	}
	t, err := user.Tokens(r.Context())
	if err == nil {
		err = l.client.RevokeTokens(r.Context(), t)
	}
	done(w, err, "The tokens are revoked.")
}

// device signs in a television, while the person opens the address in the browser.
func (l *lab) device(w http.ResponseWriter, r *http.Request) {
	d, err := grant.BeginDevice(r.Context(), l.client, client.TokenRequest{})
	if err == nil {
		l.post(l.browser, d.VerificationURIComplete, nil, nil)
		_, err = grant.FinishDevice(r.Context(), l.client, d)
	}
	done(w, err, "The device is signed in.")
}

func done(w http.ResponseWriter, err error, text string) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	fmt.Fprintln(w, text)
}

func (l *lab) apiHandler() http.Handler {
	mux := http.NewServeMux()
	photos := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, ok := rs.FromContext(r.Context())
		if !ok {
			http.Error(w, "no token", http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"photos": []string{"tea-party.jpg"}, "user": p.Subject, "client": p.ClientID})
	})
	mux.Handle("GET /photos", photos)
	mux.Handle("DELETE /photos", rs.RequireACR(strongACR)(photos))
	return l.protection().Handler(mux)
}

func (l *lab) protection() *rs.Protection {
	provider := &discovery.Provider{Issuer: l.issuer.URL, HTTP: &http.Client{Transport: l.recorder(laneAPI, l.trusting())}, Now: l.now}
	var verifier rs.Verifier = &rs.JWT{Issuer: l.issuer.URL, Audience: l.api, Keys: provider.Keys(), Algs: []string{"ES256"}, Now: l.now}
	if l.on["opaque"] || l.on["introspection"] {
		verifier = &rs.Introspection{
			Server: provider, Issuer: l.issuer.URL, Audience: l.api, Auth: auth.SecretBasic("photo-album-secret").For(apiID, l.issuer.URL),
			HTTP: provider.HTTP, Now: l.now,
		}
	}
	return &rs.Protection{
		Tokens: verifier, DPoP: &rs.DPoP{BaseURL: l.api, Now: l.now}, Now: l.now,
		Logger: slog.New(slog.NewTextHandler(logWriter{l, "API"}, nil)),
	}
}

func randomKey() []byte {
	key := make([]byte, 32)
	rand.Read(key) // never an error
	return key
}

func (l *lab) set(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
}

// note records something of the run.
func (l *lab) note(change func()) {
	l.set(func() {
		if !l.quiet {
			change()
		}
	})
}
