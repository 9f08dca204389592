package rs_test

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/rs"
)

// show sends a request with an access token, and prints the status and the challenge.
func show(api http.Handler, token string) {
	r := httptest.NewRequest(http.MethodGet, "/photos", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	api.ServeHTTP(w, r)
	fmt.Println(strings.TrimSpace(fmt.Sprint(w.Code, " ", w.Header().Get("WWW-Authenticate"))))
}

// photos is the handler behind the middleware.
var photos = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})

// sharedLog is a SharedLog in memory that a test can disconnect.
type sharedLog struct {
	mu     sync.Mutex
	values [][]byte
	fail   error
}

func (l *sharedLog) Append(_ context.Context, _ string, value []byte, _ time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail == nil {
		l.values = append(l.values, value)
	}
	return l.fail
}

func (l *sharedLog) Follow(ctx context.Context, _ string, heard func([]byte), current func()) error {
	for from := 0; ctx.Err() == nil; time.Sleep(5 * time.Millisecond) {
		l.mu.Lock()
		if l.fail == nil {
			for ; from < len(l.values); from++ {
				heard(l.values[from])
			}
			current()
		}
		l.mu.Unlock()
	}
	return ctx.Err()
}

// Two processes of an API, which share what was revoked. In production Shared is a Store of package
// redisstore or sqlstore.
func ExampleRevocations_shared() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	shared, key := &sharedLog{}, []byte("32 random bytes of a secret file")
	first, second := &rs.Revocations{Shared: shared, SharedKey: key}, &rs.Revocations{Shared: shared, SharedKey: key}
	for _, process := range []*rs.Revocations{first, second} {
		go process.Run(ctx) // in every process
		for process.Ready(ctx) != nil {
			time.Sleep(time.Millisecond) // the list was not read yet: such requests are answered with 503
		}
	}
	if err := first.Revoke(ctx, rs.RevokedAccess{Issuer: "https://as.example", SessionID: "session-1"}); err != nil {
		panic(err) // try again: other processes may not have the entry
	}
	who := &rs.Principal{Issuer: "https://as.example", SessionID: "session-1", IssuedAt: time.Now()}
	for second.CheckRevocation(ctx, "the access token", who) == nil {
		time.Sleep(time.Millisecond) // within a second
	}
	fmt.Println("the second process rejects the session")
	// Output: the second process rejects the session
}

// compressed is the encoding of a status list: zlib, then base64url.
func compressed(list []byte) string {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	w.Write(list)
	w.Close()
	return base64.RawURLEncoding.EncodeToString(b.Bytes())
}

// Tokens whose status the issuer publishes in a signed list. Index 1 of this list is revoked.
func ExampleStatusLists() {
	issuer, err := issuertest.Start(issuertest.Config{})
	if err != nil {
		panic(err)
	}
	defer issuer.Close()
	provider := &discovery.Provider{Issuer: issuer.URL, HTTP: issuer.Client()}
	var lists *httptest.Server // of the issuer
	lists = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/statuslist+jwt")
		fmt.Fprint(w, issuer.SignJWT(map[string]any{
			"sub": lists.URL + r.URL.Path, "iat": time.Now().Unix(), "ttl": 60,
			"status_list": map[string]any{"bits": 1, "lst": compressed([]byte{0b10})},
		}, map[string]any{"typ": "statuslist+jwt"}))
	}))
	defer lists.Close()
	api := &rs.Protection{
		Tokens:     &rs.JWT{Issuer: issuer.URL, Audience: issuertest.Audience, Keys: provider.Keys()},
		Revocation: []rs.RevocationCheck{&rs.StatusLists{Issuer: issuer.URL, Keys: provider.Keys(), Origins: []string{lists.URL}}},
	}
	for index := range 2 {
		status := map[string]any{"status_list": map[string]any{"idx": index, "uri": lists.URL + "/1"}}
		show(api.Handler(photos), issuer.AccessToken(issuertest.AccessToken{Claims: map[string]any{"status": status}}))
	}
	// Output:
	// 200
	// 401 Bearer error="invalid_token", error_description="the access token is not valid here"
}

// PingFederate says whether a session was revoked. Revoke ends one.
func ExamplePingSessions() {
	issuer, err := issuertest.Start(issuertest.Config{})
	if err != nil {
		panic(err)
	}
	defer issuer.Close()
	provider := &discovery.Provider{Issuer: issuer.URL, HTTP: issuer.Client()}
	ping := httptest.NewServer(revokedSRIs())
	defer ping.Close()
	sessions := &rs.PingSessions{
		Issuer: issuer.URL, URL: ping.URL + "/pf-ws/rest/sessionMgmt/revokedSris",
		Auth: auth.SecretBasic("the secret of the client").For("api", issuer.URL),
	}
	api := &rs.Protection{
		Tokens:     &rs.JWT{Issuer: issuer.URL, Audience: issuertest.Audience, Keys: provider.Keys()},
		Revocation: []rs.RevocationCheck{sessions},
	}
	token := issuer.AccessToken(issuertest.AccessToken{Claims: map[string]any{"pi.sri": "session-1"}})
	show(api.Handler(photos), token)
	if err := sessions.Revoke(context.Background(), "session-1"); err != nil {
		panic(err) // the session is not revoked
	}
	show(api.Handler(photos), token)
	// Output:
	// 200
	// 401 Bearer error="invalid_token", error_description="the access token is not valid here"
}

// revokedSRIs is the Session Revocation API of PingFederate: POST adds a session, and GET is 404
// for one that was not revoked.
func revokedSRIs() http.Handler {
	var revoked sync.Map
	mux := http.NewServeMux()
	mux.HandleFunc("POST /pf-ws/rest/sessionMgmt/revokedSris", func(w http.ResponseWriter, r *http.Request) {
		revoked.Store("session-1", true)
		w.WriteHeader(http.StatusCreated)
	})
	mux.HandleFunc("GET /pf-ws/rest/sessionMgmt/revokedSris/{sri}", func(w http.ResponseWriter, r *http.Request) {
		if _, found := revoked.Load(r.PathValue("sri")); !found {
			w.WriteHeader(http.StatusNotFound)
		}
	})
	return mux
}

// PingFederate without introspection. The response to validate_bearer names the client, so Clients
// replaces the audience.
func ExamplePingValidateBearer() {
	ping := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"access_token":{"Username":"alice"},"token_type":"Bearer","expires_in":60,"scope":"photos.read","client_id":"web"}`)
	}))
	defer ping.Close()
	api := &rs.Protection{Tokens: &rs.PingValidateBearer{
		URL: ping.URL + "/as/token.oauth2", Issuer: "https://ping.example", Clients: []string{"web"}, SubjectClaim: "Username",
		Auth: auth.SecretBasic("the secret of the API").For("api", "https://ping.example"),
	}}
	show(api.Handler(rs.RequireScope("photos.read")(photos)), "opaque-token")
	show(api.Handler(rs.RequireScope("photos.write")(photos)), "opaque-token")
	// Output:
	// 200
	// 403 Bearer error="insufficient_scope", error_description="the access token lacks a scope: required photos.write, granted photos.read", scope="photos.write"
}

// An application behind an AWS load balancer that signs the users in. The load balancer sends their
// claims in a header field.
func ExampleAWSLoadBalancer() {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader) // of the load balancer
	if err != nil {
		panic(err)
	}
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		der, _ := x509.MarshalPKIXPublicKey(key.Public())
		pem.Encode(w, &pem.Block{Type: "PUBLIC KEY", Bytes: der})
	}))
	defer keys.Close()
	const arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/web/50dc6c495c0c9188"
	api := &rs.Protection{
		TokenHeader: "X-Amzn-Oidc-Data",
		Tokens:      &rs.AWSLoadBalancer{Signers: []string{arn}, Issuer: "https://as.example", ClientID: "web", KeysURL: keys.URL}, // KeysURL: not in a commercial region
	}
	handler := api.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, ok := rs.FromContext(r.Context())
		if !ok {
			http.Error(w, "no token", http.StatusUnauthorized)
			return
		}
		fmt.Println(who.Subject, len(who.Scopes), "scopes")
	}))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("X-Amzn-Oidc-Data", userClaims(key, arn))
	handler.ServeHTTP(httptest.NewRecorder(), r)
	// Output: alice 0 scopes
}

// userClaims is what the load balancer sends: an ES256 JWT with padding.
func userClaims(key *ecdsa.PrivateKey, arn string) string {
	exp := time.Now().Add(time.Minute).Unix()
	header := fmt.Sprintf(`{"typ":"JWT","alg":"ES256","kid":"k1","iss":"https://as.example","client":"web","signer":%q,"exp":%d}`, arn, exp)
	claims := fmt.Sprintf(`{"sub":"alice","iss":"https://as.example","exp":%d}`, exp)
	signed := base64.URLEncoding.EncodeToString([]byte(header)) + "." + base64.URLEncoding.EncodeToString([]byte(claims))
	sum := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		panic(err)
	}
	signature := append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	return signed + "." + base64.URLEncoding.EncodeToString(signature)
}

// A Verifier of the application whose tokens are bound to a key. It sets Cnf, and the Protection then
// requires the proof.
func ExampleConfirmation() {
	bound := rs.Confirmation{KeyThumbprint: "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}
	api := &rs.Protection{Tokens: ownTokens{"token-of-alice": {Subject: "alice", Cnf: bound}, "token-of-bob": {Subject: "bob"}}}
	fmt.Println(bound.IsZero())
	show(api.Handler(photos), "token-of-alice") // without a DPoP proof
	show(api.Handler(photos), "token-of-bob")
	// Output:
	// false
	// 401 Bearer error="invalid_token", error_description="the access token is not valid here"
	// 200
}

// ownTokens is a Verifier of an application.
type ownTokens map[string]rs.Principal

func (o ownTokens) VerifyToken(_ context.Context, token string) (*rs.Principal, error) {
	who, found := o[token]
	if !found {
		return nil, errors.New("the token is unknown")
	}
	return &who, nil
}
