package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/client/grant"
)

// elsewhere has what the servers call: the service through which Keycloak reaches users' phones,
// the clients' notification endpoint, and the app whose sessions they end.
type elsewhere struct {
	mu       sync.Mutex
	begun    map[string]*grant.Backchannel
	notified map[string]chan *grant.Backchannel
	app      http.Handler
	idp      http.Handler
}

// phones is made once. All tests use its address.
var phones = sync.OnceValues(func() (*elsewhere, error) {
	l, err := net.Listen("tcp", os.Getenv("COUNTERSIGN_INTEROP_ELSEWHERE"))
	if err != nil {
		return nil, err
	}
	e := &elsewhere{begun: map[string]*grant.Backchannel{}, notified: map[string]chan *grant.Backchannel{}}
	mux := http.NewServeMux()
	mux.Handle("/ping", &grant.PingHandler{Find: e.find, Notify: e.notify})
	mux.HandleFunc("POST /channel", e.channel)
	mux.HandleFunc("POST /backchannel-logout", e.logout)
	mux.Handle("platform.example/", toPlatform())
	mux.Handle("cluster.example/", toPlatform())
	mux.HandleFunc("idp.example/", e.toIdP)
	go http.Serve(l, mux)
	return e, nil
})

func theElsewhere(t *testing.T) *elsewhere {
	t.Helper()
	e, err := phones()
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// await stores a login until the server's ping.
func (e *elsewhere) await(b *grant.Backchannel) <-chan *grant.Backchannel {
	e.mu.Lock()
	defer e.mu.Unlock()
	told := make(chan *grant.Backchannel, 1)
	e.begun[b.AuthReqID], e.notified[b.AuthReqID] = b, told
	return told
}

func (e *elsewhere) find(_ context.Context, id string) (*grant.Backchannel, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.begun[id], nil
}

func (e *elsewhere) notify(_ context.Context, b *grant.Backchannel) {
	e.mu.Lock()
	defer e.mu.Unlock()
	select {
	case e.notified[b.AuthReqID] <- b:
	default: // it came a second time
	}
}

// tells forwards the server's logout tokens to the app.
func (e *elsewhere) tells(app http.Handler) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.app = app
}

// serves makes idp answer requests for idp.example.
func (e *elsewhere) serves(idp http.Handler) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.idp = idp
}

func (e *elsewhere) toIdP(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	idp := e.idp
	e.mu.Unlock()
	if idp == nil {
		http.NotFound(w, r)
		return
	}
	idp.ServeHTTP(w, r)
}

func (e *elsewhere) logout(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	app := e.app
	e.mu.Unlock()
	app.ServeHTTP(w, r)
}

// channel is the authentication channel to which Keycloak delegates: it gets the request for the
// user's phone, and sends the answer to Keycloak.
func (e *elsewhere) channel(w http.ResponseWriter, r *http.Request) {
	var question struct {
		BindingMessage string `json:"binding_message"`
	}
	if err := json.NewDecoder(r.Body).Decode(&question); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	status := "SUCCEED"
	if question.BindingMessage == "deny" {
		status = "CANCELLED"
	}
	authorization := r.Header.Get("Authorization")
	time.AfterFunc(time.Second, func() { answerKeycloak(authorization, status) })
	w.WriteHeader(http.StatusCreated)
}

// answerKeycloak sends the user's decision. A failure makes the waiting test fail.
func answerKeycloak(authorization, status string) {
	body := strings.NewReader(fmt.Sprintf(`{"status":%q}`, status))
	r, err := http.NewRequest(http.MethodPost, os.Getenv("COUNTERSIGN_INTEROP_KEYCLOAK")+"/protocol/openid-connect/ext/ciba/auth/callback", body)
	if err != nil {
		panic(err) // the address is not one
	}
	r.Header.Set("Authorization", authorization)
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		fmt.Fprintln(os.Stderr, "interop: the user's answer:", err)
		return
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		var text bytes.Buffer
		text.ReadFrom(resp.Body)
		fmt.Fprintln(os.Stderr, "interop: the user's answer:", resp.Status, text.String())
	}
}
