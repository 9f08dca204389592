package main

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/rs"
)

// The registrations at the embedded server.
const (
	appID    = "print-shop"
	apiID    = "photo-album"
	apiScope = "photos.read"
)

var demoUser = issuertest.User{
	Subject: "248289761001", Claims: map[string]any{"name": "Alice Liddell", "email": "alice@example.com"},
}

// setup is what a system is made from.
type setup struct {
	*options
	log  *slog.Logger
	say  func(step string)
	http *http.Client     // of the application; nil means the SDK's own
	now  func() time.Time // the application's clock; nil means time.Now
}

// system is the three programs, running.
type system struct {
	setup
	app, api string // addresses
	audience string // the API's identifier
	secret   string // the API's at the embedded server; "" at a foreign one
	endAPI   func()
	closing  []func()
}

// start starts the server, the API and the application, in this order. Each listener is opened
// before its program starts, because the others need its address.
func start(from setup) (s *system, err error) {
	s = &system{setup: from}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	appListener, err := s.listen(from.options.listen, &s.app)
	if err != nil {
		return nil, err
	}
	apiListener, err := s.listen("127.0.0.1:0", &s.api)
	if err != nil {
		return nil, err
	}
	if s.audience = s.options.audience; s.audience == "" {
		s.audience = s.api
	}
	if s.issuer == "" {
		if err := s.startServer(); err != nil {
			return nil, err
		}
	}
	s.endAPI = s.serve(apiListener, newAPI(s.verifier(), s.api, s.log))
	application, err := s.application()
	if err != nil {
		return nil, err
	}
	s.serve(appListener, application.routes())
	return s, nil
}

// startServer starts the embedded server and sets the options for a foreign one.
func (s *system) startServer() error {
	o := *s.options
	o.clientID, o.clientSecret = appID, rand.Text()
	s.options, s.secret = &o, rand.Text()
	format := map[string]issuertest.Format{"jwt": issuertest.JWT, "opaque": issuertest.Opaque}[o.token]
	server, err := issuertest.Start(issuertest.Config{
		PlainHTTP: true, Page: true, AccessTokens: format,
		Clients: []issuertest.Client{
			{
				ID: appID, Secret: o.clientSecret, Name: shop.Name,
				RedirectURLs: []string{s.callback()}, PostLogoutRedirectURLs: []string{s.app + "/signed-out"},
				Scopes: []string{"openid", "profile", "email", apiScope}, Audience: []string{s.audience},
			},
			{ID: apiID, Secret: s.secret},
		},
		Users:      []issuertest.User{demoUser},
		ScopeTexts: map[string]string{apiScope: "See the photos in your photo album"},
	})
	if err != nil {
		return err
	}
	s.closing = append(s.closing, server.Close)
	o.issuer = server.URL
	return nil
}

func (s *system) callback() string { return s.app + "/callback" }

// verifier is the API's. At a foreign server the API has no credentials to
// introspect with, so opaque tokens of such a server are refused.
func (s *system) verifier() rs.Verifier {
	provider := &discovery.Provider{Issuer: s.issuer}
	byItself := &rs.JWT{Issuer: s.issuer, Audience: s.audience, Keys: provider.Keys()}
	if s.secret == "" {
		return byItself
	}
	return &rs.JWTOrOpaque{JWT: byItself, Opaque: &rs.Introspection{
		Server: provider, Issuer: s.issuer, Audience: s.audience,
		Auth: auth.SecretBasic(s.secret).For(apiID, s.issuer),
	}}
}

// application makes the web application. The embedded server sends the browser back after a
// logout; at a foreign one that address would have to be registered.
func (s *system) application() (*app, error) {
	method, loggedOut := auth.Public(), ""
	if s.clientSecret != "" {
		method = auth.Secret(s.clientSecret)
	}
	if s.secret != "" {
		loggedOut = s.app + "/signed-out"
	}
	c, err := client.New(client.Config{
		Issuer: s.issuer, ClientID: s.clientID, Auth: method, RedirectURL: s.callback(), PostLogoutRedirectURL: loggedOut,
		Scopes: strings.Fields(s.scopes), HTTP: s.http, Now: s.now,
	})
	if err != nil {
		return nil, err
	}
	a := &app{system: s, client: c, method: method.Name()}
	a.login, err = login.New(s.loginConfig(a))
	return a, err
}

// loginConfig keeps sessions in this process: they end with it, and so the key can be a new one.
func (s *system) loginConfig(a *app) login.Config {
	key := make([]byte, 32)
	rand.Read(key)
	return login.Config{
		Clients: map[string]*client.Client{"main": a.client}, Keys: [][]byte{key}, Store: &login.Memory{}, CookieName: "print_shop",
		Request: client.Request{Resources: []string{s.audience}}, // what the access token is for
		Claims:  []string{"name", "email"}, UserInfo: true, KeepTokens: true, SignIn: a.signIn,
		ErrorPage: a.problem, OnProblem: keepReport, Log: s.log, Now: s.now,
		InsecureHTTP: true, // on loopback: error pages show the reason
	}
}

func (s *system) listen(address string, url *string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("-listen: %w", err)
	}
	s.closing = append(s.closing, func() { l.Close() })
	*url = "http://" + l.Addr().String()
	return l, nil
}

// serve starts a server, and returns the function that ends it.
func (s *system) serve(l net.Listener, h http.Handler) (end func()) {
	server := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      60 * time.Second, // a callback waits for the server
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	go server.Serve(l)
	end = func() { server.Close() }
	s.closing = append(s.closing, end)
	return end
}

func (s *system) close() {
	for _, f := range s.closing {
		f()
	}
}
