package flow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/grant"
	"github.com/countersign/countersign/client/loopback"
	"github.com/countersign/countersign/client/tokens"
	"github.com/countersign/countersign/cmd/countersign/internal/wire"
	"github.com/countersign/countersign/idtoken"
)

// Outcome is what a flow ended with, without secrets.
type Outcome struct {
	TokenType    string          `json:"token_type,omitempty"`
	Scopes       []string        `json:"scopes,omitempty"`
	Expiry       *time.Time      `json:"expiry,omitempty"`
	RefreshToken bool            `json:"refresh_token,omitempty"`
	DPoP         bool            `json:"dpop,omitempty"`
	Subject      string          `json:"sub,omitempty"`
	Checks       *idtoken.Report `json:"checks,omitempty"` // the 14 steps
	Claims       map[string]any  `json:"claims,omitempty"` // of UserInfo or introspection
	Active       *bool           `json:"active,omitempty"`
	Stored       string          `json:"stored,omitempty"` // the name in the store
	Done         string          `json:"done,omitempty"`
	Error        string          `json:"error,omitempty"`
}

// session is one run of a command.
type session struct {
	Options
	out, err io.Writer
	client   *client.Client
	store    fileStore
	mask     wire.Mask

	mu    sync.Mutex
	shown []wire.Shown
}

// Flows are the commands, by their names.
var Flows = map[string]func(context.Context, *session) (*Outcome, error){
	"login": login, "device": device, "credentials": credentials, "exchange": exchange, "refresh": refresh,
	"introspect": introspect, "revoke": revoke, "userinfo": userinfo, "logout": logout,
}

// Run runs the flow name. The exchanges and the outcome go to out, prompts for the person to
// stderr. The error was printed; its secrets are masked.
func Run(ctx context.Context, name string, o Options, out, stderr io.Writer) error {
	s := &session{Options: o, out: out, err: stderr, store: fileStore{o.StoreDir}}
	s.mask.Learn("client_secret", o.Secret)
	s.mask.Learn("token", o.Token)
	s.mask.Learn("subject_token", o.SubjectToken)
	if err := s.connect(name); err != nil {
		return err
	}
	outcome, err := Flows[name](ctx, s)
	if err != nil {
		err = errors.New(s.mask.Text(err.Error()))
		outcome = &Outcome{Error: err.Error()}
	}
	s.finish(outcome)
	return err
}

func (s *session) connect(name string) error {
	rt, err := s.transport()
	if err != nil {
		return err
	}
	config, err := s.config(&wire.Recorder{Base: rt, Record: s.record})
	if err != nil {
		return err
	}
	if name == "login" {
		if config.RedirectURL == "" {
			config.RedirectURL = "http://127.0.0.1/callback"
		}
	} else {
		config.RedirectURL = "" // the rules of profiles for logins in the browser do not apply
	}
	s.client, err = client.New(config)
	return err
}

// record shows an exchange as soon as it is over.
func (s *session) record(x *wire.Exchange) {
	s.mu.Lock()
	defer s.mu.Unlock()
	shown := s.mask.Show(x)
	switch {
	case s.JSON:
		s.shown = append(s.shown, shown)
	case s.Curl:
		fmt.Fprintf(s.out, "%s\n\n", shown.Curl())
	default:
		shown.Print(s.out)
	}
}

func (s *session) finish(o *Outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.JSON {
		e := json.NewEncoder(s.out)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		_ = e.Encode(map[string]any{"exchanges": s.shown, "outcome": o})
		return
	}
	o.print(s.out, &s.mask)
}

func (o *Outcome) print(w io.Writer, m *wire.Mask) {
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%-14s %s\n", name, m.Text(value))
		}
	}
	line("token_type", o.TokenType)
	line("scope", strings.Join(o.Scopes, " "))
	if o.Expiry != nil {
		line("expires", o.Expiry.Format(time.RFC3339))
	}
	line("sub", o.Subject)
	if o.Active != nil {
		line("active", fmt.Sprint(*o.Active))
	}
	if o.Claims != nil {
		text, _ := json.MarshalIndent(o.Claims, "", "  ")
		fmt.Fprintf(w, "%s\n", m.Text(string(text)))
	}
	if o.Checks != nil {
		fmt.Fprintf(w, "\n%s\n", m.Text(o.Checks.String()))
	}
	line("stored as", o.Stored)
	line("done", o.Done)
}

// key is the name of the tokens in the store.
func (s *session) key() string {
	if s.Name != "" {
		return s.Name
	}
	return s.Issuer + " " + s.ClientID
}

// keepFor is how long stored tokens are kept that nobody uses.
const keepFor = 30 * 24 * time.Hour

// keep stores the tokens, and describes them.
func (s *session) keep(ctx context.Context, t *client.Tokens) (*Outcome, error) {
	data, err := json.Marshal(tokens.ToStore(t))
	if err != nil {
		return nil, err
	}
	if err := s.store.Save(ctx, s.key(), data, time.Now().Add(keepFor)); err != nil {
		return nil, fmt.Errorf("the tokens were issued, but -store %s failed: %w", s.StoreDir, err)
	}
	o := &Outcome{TokenType: t.TokenType, Scopes: t.Scopes, RefreshToken: t.RefreshToken != "", DPoP: t.DPoPKey.Key != nil, Checks: t.Report, Stored: s.key()}
	if !t.Expiry.IsZero() {
		o.Expiry = &t.Expiry
	}
	if t.IDToken != nil {
		o.Subject = t.IDToken.Subject
	}
	return o, nil
}

// load gives the stored tokens.
func (s *session) load(ctx context.Context) (*client.Tokens, error) {
	data, err := s.store.Load(ctx, s.key())
	if err != nil {
		return nil, fmt.Errorf("cannot read -store %s: %w", s.StoreDir, err)
	}
	if data == nil {
		return nil, fmt.Errorf("no tokens are stored as %q: run countersign login, device or credentials first, or set -name", s.key())
	}
	var k tokens.Stored
	if err := json.Unmarshal(data, &k); err != nil {
		return nil, errors.New("the stored tokens are malformed: log in again")
	}
	s.mask.Learn("access_token", k.AccessToken)
	s.mask.Learn("refresh_token", k.RefreshToken)
	s.mask.Learn("id_token", k.IDToken)
	s.mask.Learn("dpop_key", k.DPoPKey)
	return k.Tokens()
}

func login(ctx context.Context, s *session) (*Outcome, error) {
	t, err := loopback.Login(ctx, loopback.Config{Client: s.client.Config(), Request: s.request(), Open: s.show})
	if err != nil {
		return nil, err
	}
	return s.keep(ctx, t)
}

// show prints the authorization request and opens the browser. The browser gets the address
// itself, which a person must be able to open where Open is false.
func (s *session) show(ctx context.Context, address string) error {
	s.record(&wire.Exchange{Method: http.MethodGet, URL: address, Header: http.Header{}})
	if s.Open {
		fmt.Fprintln(s.err, "Sign in in the browser.")
		return loopback.Browser(ctx, address)
	}
	fmt.Fprintf(s.err, "Open this address in a browser on this machine:\n\n%s\n\n", address)
	return nil
}

func device(ctx context.Context, s *session) (*Outcome, error) {
	d, err := grant.BeginDevice(ctx, s.client, s.tokenRequest())
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(s.err, "Open %s on another device, and enter the code %s\n", d.VerificationURI, d.UserCode)
	if d.VerificationURIComplete != "" {
		fmt.Fprintf(s.err, "or open %s and compare the code.\n", d.VerificationURIComplete)
	}
	t, err := grant.FinishDevice(ctx, s.client, d)
	if err != nil {
		return nil, err
	}
	return s.keep(ctx, t)
}

func credentials(ctx context.Context, s *session) (*Outcome, error) {
	t, err := grant.ClientCredentials(ctx, s.client, s.tokenRequest())
	if err != nil {
		return nil, err
	}
	return s.keep(ctx, t)
}

// exchange exchanges the token of standard input, or the stored access token. The new one
// does not replace the stored one, unless -name says so.
func exchange(ctx context.Context, s *session) (*Outcome, error) {
	subject := s.SubjectToken
	if subject == "" {
		t, err := s.load(ctx)
		if err != nil {
			return nil, err
		}
		subject = t.AccessToken
	}
	t, err := grant.TokenExchange(ctx, s.client, s.exchangeRequest(subject))
	if err != nil {
		return nil, err
	}
	s.Name = s.key() + " exchanged"
	return s.keep(ctx, t)
}

func refresh(ctx context.Context, s *session) (*Outcome, error) {
	old, err := s.load(ctx)
	if err != nil {
		return nil, err
	}
	if old.RefreshToken == "" {
		return nil, errors.New("the stored tokens have no refresh token: log in with -scope \"openid offline_access\", if the server supports it")
	}
	t, err := s.client.Refresh(ctx, old, s.Scopes...)
	if err != nil {
		return nil, err
	}
	return s.keep(ctx, t)
}

// token is that of standard input, or the stored access token.
func (s *session) token(ctx context.Context) (string, error) {
	if s.Token != "" {
		return s.Token, nil
	}
	t, err := s.load(ctx)
	if err != nil {
		return "", err
	}
	if s.Hint == "refresh_token" {
		return t.RefreshToken, nil
	}
	return t.AccessToken, nil
}

func introspect(ctx context.Context, s *session) (*Outcome, error) {
	token, err := s.token(ctx)
	if err != nil {
		return nil, err
	}
	in, err := s.client.Introspect(ctx, token, s.Hint)
	if err != nil {
		return nil, err
	}
	o := &Outcome{Active: &in.Active}
	if in.Active {
		err = in.Claims(&o.Claims)
	}
	return o, err
}

// revoke revokes the token of standard input, or all stored tokens, which are then deleted.
func revoke(ctx context.Context, s *session) (*Outcome, error) {
	if s.Token != "" {
		return &Outcome{Done: "the server revoked the token"}, s.client.Revoke(ctx, s.Token, s.Hint)
	}
	t, err := s.load(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.client.RevokeTokens(ctx, t); err != nil {
		return nil, err
	}
	return &Outcome{Done: "the server revoked the tokens, and they are deleted here"}, s.store.Delete(ctx, s.key())
}

func userinfo(ctx context.Context, s *session) (*Outcome, error) {
	t, err := s.load(ctx)
	if err != nil {
		return nil, err
	}
	info, err := s.client.UserInfo(ctx, t)
	if err != nil {
		return nil, err
	}
	o := &Outcome{Subject: info.Subject}
	return o, info.Claims(&o.Claims)
}

// logout deletes the stored tokens, and ends the session at the server in the browser.
func logout(ctx context.Context, s *session) (*Outcome, error) {
	t, err := s.load(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.store.Delete(ctx, s.key()); err != nil {
		return nil, err
	}
	address, _, err := s.client.LogoutURL(ctx, client.Logout{IDTokenHint: t.IDTokenHint})
	if errors.Is(err, client.ErrNoEndpoint) {
		return &Outcome{Done: "the tokens are deleted here; the server has no end_session_endpoint"}, nil
	}
	if err != nil {
		return nil, err
	}
	if err := s.show(ctx, address); err != nil {
		return nil, err
	}
	return &Outcome{Done: "the tokens are deleted here; the browser ends the session at the server"}, nil
}
