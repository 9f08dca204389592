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
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/examples/internal/session"
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
	http *http.Client // of the application; nil means the SDK's own
}

// system is the three programs, running.
type system struct {
	setup
	app, api string // addresses
	audience string // the API's identifier
	secret   string // the API's at the embedded server; "" at a foreign one
	closing  []func()
}

// start brings up server, API and application, in this order: each listener comes
// before the program, so that the others can be told its address.
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
	s.serve(apiListener, newAPI(s.verifier(), s.log))
	application, err := s.application()
	if err != nil {
		return nil, err
	}
	s.serve(appListener, application.routes())
	return s, nil
}

// startServer starts the embedded server and makes its options those of a foreign one.
func (s *system) startServer() error {
	o := *s.options
	o.clientID, o.clientSecret = appID, rand.Text()
	s.options, s.secret = &o, rand.Text()
	format := map[string]issuertest.Format{"jwt": issuertest.JWT, "opaque": issuertest.Opaque}[o.token]
	server, err := issuertest.Start(issuertest.Config{
		PlainHTTP: true, Page: true, AccessTokens: format,
		Clients: []issuertest.Client{
			{
				ID: appID, Secret: o.clientSecret, Name: "The print shop", RedirectURLs: []string{s.callback()},
				Scopes: []string{"openid", "profile", "email", apiScope}, Audience: []string{s.audience},
			},
			{ID: apiID, Secret: s.secret},
		},
		Users: []issuertest.User{demoUser},
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

func (s *system) application() (*app, error) {
	method := auth.Public()
	if s.clientSecret != "" {
		method = auth.Secret(s.clientSecret)
	}
	c, err := client.New(client.Config{
		Issuer: s.issuer, ClientID: s.clientID, Auth: method, RedirectURL: s.callback(),
		Scopes: strings.Fields(s.scopes), HTTP: s.http,
	})
	if err != nil {
		return nil, err
	}
	return &app{
		client: c, api: s.api, audience: s.audience, method: method.Name(), log: s.log, say: s.say,
		sessions: session.Store{Cookie: "print_shop"},
	}, nil
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

func (s *system) serve(l net.Listener, h http.Handler) {
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
	s.closing = append(s.closing, func() { server.Close() })
}

func (s *system) close() {
	for _, f := range s.closing {
		f()
	}
}
