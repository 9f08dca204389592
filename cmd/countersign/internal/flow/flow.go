package flow

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/tokens"
	"github.com/countersign/countersign/cmd/countersign/internal/wire"
	"github.com/countersign/countersign/idtoken"
)

// Outcome is the result of a flow, without secrets.
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
	store    *tokens.FileStore
	mask     wire.Mask

	mu    sync.Mutex // of the streams too: loopback shows the address in a goroutine
	shown []wire.Shown
	over  bool // the outcome was printed
}

// Flows are the commands, by their names.
var Flows = map[string]func(context.Context, *session) (*Outcome, error){
	"login": login, "device": device, "ciba": ciba, "credentials": credentials, "jwt-bearer": jwtBearer, "exchange": exchange,
	"refresh": refresh, "introspect": introspect, "revoke": revoke, "userinfo": userinfo, "logout": logout,
}

// Run runs the flow name. The exchanges and the outcome go to out, prompts for the person to
// stderr. The error was printed; its secrets are masked.
func Run(ctx context.Context, name string, o Options, out, stderr io.Writer) error {
	s := &session{Options: o, out: out, err: stderr, store: &tokens.FileStore{Dir: o.StoreDir}}
	s.learn()
	outcome, err := s.run(ctx, name)
	if err != nil {
		err = s.masked(s.explained(ctx, name, err))
		outcome = &Outcome{Error: err.Error()}
	}
	s.finish(outcome)
	return err
}

// masked is an error without secrets and control characters.
func (s *session) masked(err error) error {
	out := errors.New(wire.Printable(s.mask.Text(err.Error())))
	var usage *UsageError
	if errors.As(err, &usage) {
		return &UsageError{out}
	}
	return out
}

// learn masks the secrets that were passed to the command.
func (s *session) learn() {
	for name, value := range map[string]string{
		"client_secret": s.Secret, "token": s.Token, "subject_token": s.SubjectToken, "actor_token": s.ActorToken,
		"assertion": s.Assertion, "login_hint_token": s.LoginHintToken, "user_code": s.UserCode,
	} {
		s.mask.Learn(name, value)
	}
}

func (s *session) run(ctx context.Context, name string) (*Outcome, error) {
	if name == "refresh" || name == "userinfo" {
		s.DPoP = s.DPoP || s.boundToKey(ctx)
	}
	if err := s.connect(name); err != nil {
		return nil, err
	}
	return Flows[name](ctx, s)
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
		config.RedirectURL = cmp.Or(config.RedirectURL, "http://127.0.0.1/callback")
	} else {
		config.RedirectURL = "" // the rules of profiles for logins in the browser do not apply
	}
	if (name == "credentials" || name == "ciba") && config.Auth.Name() == "none" {
		return &UsageError{fmt.Errorf("%s requires a client with a credential: set -secret-env, -key or -cert", name)}
	}
	if s.client, err = client.New(config); err != nil {
		return &UsageError{err}
	}
	return nil
}

// record shows an exchange as soon as it is over.
func (s *session) record(x *wire.Exchange) {
	s.mu.Lock()
	defer s.mu.Unlock()
	shown := s.mask.Show(x)
	switch {
	case s.over:
	case s.JSON:
		s.shown = append(s.shown, shown)
	case s.Curl:
		fmt.Fprintf(s.out, "%s\n\n", shown.Curl())
	default:
		shown.Print(s.out)
	}
}

var errOver = errors.New("the command has ended")

// prompt prints a text for the person, unless the command has ended.
func (s *session) prompt(format string, args ...any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return errOver
	}
	_, err := fmt.Fprintf(s.err, format, args...)
	return err
}

// finish prints the outcome. Nothing is printed after it.
func (s *session) finish(o *Outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	o.clean(&s.mask)
	if s.JSON {
		e := json.NewEncoder(s.out)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		_ = e.Encode(map[string]any{"exchanges": s.shown, "outcome": o})
		return
	}
	o.print(s.out, &s.mask)
}

// clean replaces the secrets and the control characters in what the server sent.
func (o *Outcome) clean(m *wire.Mask) {
	o.TokenType, o.Subject, o.Claims = wire.Printable(m.Text(o.TokenType)), wire.Printable(m.Text(o.Subject)), m.Claims(o.Claims)
	for i := range o.Scopes {
		o.Scopes[i] = wire.Printable(m.Text(o.Scopes[i]))
	}
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
		fmt.Fprintf(w, "%s\n", text)
	}
	if o.Checks != nil {
		fmt.Fprintf(w, "\n%s\n", wire.Printable(m.Text(o.Checks.String())))
	}
	line("stored as", o.Stored)
	line("done", o.Done)
}
