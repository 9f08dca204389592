package internal_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/client/tokens"
)

// The code of docs/add-sign-in.md.
var _ = []any{addSignIn, greet, albums, workAndPrivate, ownErrorPage, stepUp, endedElsewhere, whoMaySignIn, signInWithGitHub, finishAt}

func addSignIn(c *client.Client, app http.Handler) (http.Handler, error) {
	keys, err := login.ParseKeys(os.Getenv("SESSION_KEYS"))
	if err != nil {
		return nil, err
	}
	l, err := login.New(login.Config{Clients: map[string]*client.Client{"main": c}, Keys: keys})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/login", l.Start())
	mux.Handle("/callback", l.Callback())
	mux.Handle("/logout", l.Logout())
	mux.Handle("/", l.Require(app))
	return mux, nil
}

func greet(r *http.Request) string {
	user, ok := login.FromContext(r.Context())
	if !ok {
		return "Hello stranger"
	}
	return "Hello " + user.Claim("name")
}

func albums(l *login.Login, c *client.Client, w http.ResponseWriter, r *http.Request) {
	user, ok := login.FromContext(r.Context())
	if !ok {
		http.Error(w, "not signed in", http.StatusUnauthorized)
		return
	}
	api := &http.Client{Transport: &tokens.Transport{Client: c, Tokens: user, Origins: []string{"https://photos.example"}}}
	resp, err := api.Get("https://photos.example/albums")
	if errors.Is(err, tokens.ErrLoginRequired) {
		l.Begin(w, r, login.BeginOptions{ReturnTo: r.RequestURI})
		return
	}
	if err == nil {
		resp.Body.Close()
	}
}

func workAndPrivate(work, private *client.Client, keys [][]byte) (*login.Login, error) {
	return login.New(login.Config{
		Clients:    map[string]*client.Client{"work": work, "private": private},
		SignInPath: "/choose",
		Keys:       keys,
	})
}

func endedElsewhere(c *client.Client, keys [][]byte, mux *http.ServeMux) error {
	l, err := login.New(login.Config{Clients: map[string]*client.Client{"main": c}, Keys: keys, Store: &login.Memory{}})
	if err != nil {
		return err
	}
	mux.Handle("/logout/backchannel", l.BackchannelLogout())
	mux.Handle("/logout/frontchannel", l.FrontchannelLogout())
	return nil
}

func stepUp(l *login.Login, w http.ResponseWriter, r *http.Request) {
	user, ok := login.FromContext(r.Context())
	if !ok {
		http.Error(w, "not signed in", http.StatusUnauthorized)
		return
	}
	if hour := time.Hour; time.Since(user.AuthTime) > hour {
		l.Begin(w, r, login.BeginOptions{Request: &client.Request{MaxAge: &hour}, ReturnTo: r.RequestURI})
		return
	}
}

func ownErrorPage(config login.Config) {
	config.ErrorPage = func(w http.ResponseWriter, r *http.Request, p login.Problem) {
		w.WriteHeader(p.Status)
		if p.Code == login.CodeDenied {
			w.Write([]byte("You cancelled."))
		}
	}
}

func whoMaySignIn(config login.Config, accountOf func(ctx context.Context, issuer, subject, posted string) int) {
	config.SignIn = func(ctx context.Context, user *login.User, issued *client.Tokens, callback url.Values) error {
		if user.Claim("hd") != "example.com" {
			return errors.New("not a user of example.com")
		}
		return user.SetClaim("account", accountOf(ctx, user.Issuer, user.Subject, callback.Get("user")))
	}
}

func signInWithGitHub(config login.Config) {
	config.SignIn = func(ctx context.Context, user *login.User, issued *client.Tokens, _ url.Values) error {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://api.github.com/user", nil)
		if err != nil {
			return err
		}
		issued.SetAuthHeader(r)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		var account struct {
			ID    int64  `json:"id"`
			Login string `json:"login"`
		}
		if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&account); err != nil || account.ID == 0 {
			return errors.Join(errors.New("GitHub does not say who the user is"), err)
		}
		user.Subject = strconv.FormatInt(account.ID, 10)
		return user.SetClaim("name", account.Login)
	}
}

// finishAt is on the page docs/sign-in.md.
func finishAt(c *client.Client, pending *client.Pending, r *http.Request) (*client.Tokens, error) {
	at := &url.URL{Scheme: "https", Host: r.Host, Path: r.URL.Path, RawQuery: r.URL.RawQuery}
	issued, err := c.FinishAt(r.Context(), pending, at, r.URL.Query())
	return issued, err
}
