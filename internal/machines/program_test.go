package machines_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/client/tokens"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/idtoken"
	"github.com/countersign/countersign/mcpauth"
	"github.com/countersign/countersign/rs"
	"github.com/countersign/countersign/rs/ssf"
)

// The names of the parties.
const (
	apiIssuer = "https://api-issuer.example" // of the tokens that the keys of the setup sign
	audience  = "https://api.example"
)

var sharedKey = []byte(strings.Repeat("canary-k", 4))

// program is one process of the application.
type program struct {
	setup
	store       *counted
	login       *login.Login
	refresher   *tokens.Refresher
	api         *rs.Protection
	logouts     *idtoken.Verifier
	revocations *rs.Revocations
	answers     *rs.Cache
	events      *ssf.Receiver
	mux         http.Handler
	boundMux    http.Handler // a login whose sessions can be bound

	mu     sync.Mutex
	agents map[string]*mcpauth.Handler // by user
}

// serve runs a process until its standard input ends. The process prints the address of its server.
func serve(s setup) error {
	p, err := newProgram(s)
	if err != nil {
		return err
	}
	go p.revocations.Run(context.Background())
	for p.revocations.Ready(context.Background()) != nil {
		time.Sleep(10 * time.Millisecond)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println("http://" + l.Addr().String())
	go http.Serve(l, p.mux)
	io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
	return nil
}

func newProgram(s setup) (*program, error) {
	opened, err := openStore(s.Backend, s.Address)
	if err != nil {
		return nil, err
	}
	p := &program{setup: s, store: &counted{store: opened, calls: map[string]int{}}, agents: map[string]*mcpauth.Handler{}}
	c, err := newClient(s)
	if err != nil {
		return nil, err
	}
	keys, err := discovery.StaticKeys(s.Keys)
	if err != nil {
		return nil, err
	}
	p.protect(keys)
	p.refresher = &tokens.Refresher{Client: c, Store: p.store, Leases: p.store}
	p.logouts = &idtoken.Verifier{Issuer: apiIssuer, ClientID: audience, Keys: keys, Algs: []string{"ES256"}, Replay: p.store}
	p.events = &ssf.Receiver{
		Issuer: apiIssuer, Audience: audience, Keys: keys, Algs: []string{"ES256"}, Effects: []ssf.Effect{p.revocations}, Store: p.store,
		Logger: slog.New(slog.DiscardHandler),
	}
	config := login.Config{
		Clients: map[string]*client.Client{"main": c}, Keys: [][]byte{sharedKey}, Store: p.store, Effects: []login.Effect{p.revocations},
		KeepTokens: true, InsecureHTTP: strings.HasPrefix(s.Front, "http:"), Log: slog.New(slog.DiscardHandler),
	}
	if p.login, err = login.New(config); err != nil {
		return nil, err
	}
	p.routes()
	return p, p.bindable(config)
}

// bindable adds the same login with sessions that browsers can bind.
func (p *program) bindable(config login.Config) error {
	config.Device = &login.Device{}
	l, err := login.New(config)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/login", l.Start())
	mux.Handle("/callback", l.Callback())
	mux.Handle("/logout", l.Logout())
	mux.Handle("/device-session", l.DeviceSession())
	mux.Handle("/", l.Require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	p.boundMux = mux
	return nil
}

func newClient(s setup) (*client.Client, error) {
	return client.New(client.Config{
		Issuer: s.Issuer, ClientID: issuertest.ClientID, Auth: auth.Secret(issuertest.ClientSecret), RedirectURL: s.Front + "/callback",
		Scopes: []string{"openid", "offline_access"}, PAR: client.PAROff, IDTokenAlgs: []string{"ES256"},
	})
}

// protect makes the API: DPoP proofs, revocations, and shared answers of introspection. On a busy
// machine a process may not read the list for seconds, and a test may need longer than MaxAge.
func (p *program) protect(keys discovery.KeySet) {
	p.revocations = &rs.Revocations{Shared: p.store, SharedKey: sharedKey, StaleFor: time.Minute}
	p.answers = &rs.Cache{
		Tokens: &rs.Introspection{URL: p.Asked, Issuer: apiIssuer, Audience: audience, Auth: auth.Secret("canary-secret").For("api", apiIssuer)},
		Shared: p.store, SharedKey: sharedKey, MaxAge: time.Hour,
	}
	p.api = &rs.Protection{
		Tokens: &rs.JWT{Issuer: apiIssuer, Audience: audience, Keys: keys, Algs: []string{"ES256"}}, DPoP: &rs.DPoP{BaseURL: audience, Replay: p.store},
		Revocation: []rs.RevocationCheck{p.revocations}, Logger: slog.New(slog.DiscardHandler),
	}
}

func (p *program) routes() {
	mux := http.NewServeMux()
	mux.Handle("/login", p.login.Start())
	mux.Handle("/callback", p.login.Callback())
	mux.Handle("/logout", p.login.Logout())
	mux.Handle("/backchannel", p.login.BackchannelLogout())
	mux.Handle("/api", p.api.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _ := rs.FromContext(r.Context())
		fmt.Fprint(w, "api of ", caller.Subject)
	})))
	mux.Handle("/plain", p.login.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, _ := login.FromContext(r.Context())
		fmt.Fprint(w, "user ", user.Subject)
	})))
	mux.Handle("/", p.login.Require(http.HandlerFunc(withToken)))
	mux.HandleFunc("/do/", p.do)
	p.mux = mux
}

// withToken is a page that needs an access token, and a new one if the old one was rejected.
func withToken(w http.ResponseWriter, r *http.Request) {
	user, _ := login.FromContext(r.Context())
	got, err := user.Tokens(r.Context())
	if err == nil && r.URL.Query().Get("rejected") == got.AccessToken {
		got, err = user.Renew(r.Context(), got)
	}
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintf(w, "user %s %s", user.Subject, got.AccessToken)
}

// order is work for a process: an operation, and an argument for each call.
type order struct {
	Do       string
	Args     []string
	Parallel int
}

// result is the result of an order.
type result struct {
	Results []string
	Calls   map[string]int // of the store
	Took    time.Duration
}

// do runs an order. The parallel callers take the arguments in turn.
func (p *program) do(w http.ResponseWriter, r *http.Request) {
	var o order
	if err := json.NewDecoder(r.Body).Decode(&o); err != nil || operations[o.Do] == nil {
		http.Error(w, "no such order", http.StatusBadRequest)
		return
	}
	p.store.reset()
	began, out := time.Now(), result{Results: make([]string, len(o.Args))}
	var group sync.WaitGroup
	for caller := range max(1, o.Parallel) {
		group.Go(func() {
			for i := caller; i < len(o.Args); i += max(1, o.Parallel) {
				out.Results[i] = operations[o.Do](p, o.Args[i])
			}
		})
	}
	group.Wait()
	out.Took, out.Calls = time.Since(began), p.store.reset()
	json.NewEncoder(w).Encode(out)
}
