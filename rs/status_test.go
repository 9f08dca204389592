package rs_test

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
)

// statuses is a server with a status list.
type statuses struct {
	*optest.Server
	mu     sync.Mutex
	claims m
	header m
	typ    string
	down   bool
	asked  atomic.Int32
}

func newStatuses(t *testing.T) *statuses {
	s := &statuses{Server: optest.New(t), typ: "application/statuslist+jwt", header: m{"typ": "statuslist+jwt"}}
	now := time.Now().Unix()
	s.claims = m{"sub": s.URL + "/statuslists/1", "iat": now, "exp": now + 3600, "ttl": 60, "status_list": m{"bits": 2, "lst": compressed([]byte{0xc9, 0x44, 0xf9})}}
	s.Replace("/statuslists/1", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.asked.Add(1)
		if s.down {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", s.typ)
		fmt.Fprint(w, s.Keys[0].Sign(s.claims, s.header))
	})
	return s
}

func (s *statuses) set(f func()) { s.mu.Lock(); defer s.mu.Unlock(); f() }

func (s *statuses) lists() *rs.StatusLists {
	return &rs.StatusLists{Issuer: s.URL, Keys: (&discovery.Provider{Issuer: s.URL}).Keys()}
}

// judged returns the response's status for a token whose status is at index.
func (s *statuses) judged(t *testing.T, l *rs.StatusLists, status any) int {
	t.Helper()
	p := quiet(&rs.Cache{Tokens: jwtVerifier(s.Server)})
	p.Revocation = []rs.RevocationCheck{l}
	token := s.AccessToken(m{"status": status}, nil)
	first, second := ask(p, bearer(token), "/").Code, ask(p, bearer(token), "/").Code
	if first != second {
		t.Errorf("%d, and %d from the cache", first, second)
	}
	return first
}

func (s *statuses) at(index any) m {
	return m{"status_list": m{"idx": index, "uri": s.URL + "/statuslists/1"}}
}

// TestStatusList: the example of draft-21 §4.1: 1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3. One fetch is
// enough for all. SL-01.
func TestStatusList(t *testing.T) {
	s := newStatuses(t)
	l := s.lists()
	for index, status := range []int{1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3} {
		want := 401
		if status == 0 {
			want = 200
		}
		if got := s.judged(t, l, s.at(index)); got != want {
			t.Errorf("index %d: %d", index, got)
		}
	}
	for name, status := range map[string]any{
		"past the end": s.at(12), "far past the end": s.at(int64(1) << 52), "a negative index": s.at(-1), "an index as a string": s.at("2"), "no index": m{"status_list": m{"uri": s.URL + "/statuslists/1"}},
		"no uri": m{"status_list": m{"idx": 2}}, "not an object": "VALID", "another origin": m{"status_list": m{"idx": 2, "uri": "https://other.example/statuslists/1"}},
		"a uri with user info": m{"status_list": m{"idx": 2, "uri": strings.Replace(s.URL, "http://", "http://u@", 1) + "/statuslists/1"}},
	} {
		if got := s.judged(t, l, status); got != 401 {
			t.Errorf("%s: %d", name, got)
		}
	}
	if got := s.judged(t, l, nil); got != 200 {
		t.Errorf("no status: %d", got)
	}
	l.Required = true
	if got := s.judged(t, l, nil); got != 401 {
		t.Errorf("no status, and Required: %d", got)
	}
	if n := s.asked.Load(); n != 1 {
		t.Errorf("fetched %d times", n)
	}
	none := quiet(jwtVerifier(s.Server))
	if w := ask(none, bearer(s.AccessToken(m{"status": "VALID"}, nil)), "/"); w.Code != 200 {
		t.Errorf("a claim that no check needs: %d", w.Code)
	}
	if got := s.judged(t, &rs.StatusLists{Issuer: "https://other.example", Keys: l.Keys}, s.at(0)); got != 200 {
		t.Errorf("another issuer's tokens: %d", got)
	}
	if got := s.judged(t, &rs.StatusLists{}, s.at(2)); got != 503 {
		t.Errorf("not configured: %d", got)
	}
}

// TestStatusListRefused: an invalid list is not used. The response is 503, and the request is not
// accepted. SL-02.
func TestStatusListRefused(t *testing.T) {
	now := time.Now().Unix()
	bomb := compressed(make([]byte, 5<<20))
	for name, edit := range map[string]func(s *statuses){
		"typ JWT": func(s *statuses) { s.header["typ"] = "JWT" }, "no typ": func(s *statuses) { s.header["typ"] = nil },
		"typ of an access token": func(s *statuses) { s.header["typ"] = "at+jwt" }, "the list of another URI": func(s *statuses) { s.claims["sub"] = "x" },
		"no sub": func(s *statuses) { delete(s.claims, "sub") }, "expired": func(s *statuses) { s.claims["exp"] = now - 1 }, "no iat": func(s *statuses) { delete(s.claims, "iat") },
		"from the future": func(s *statuses) { s.claims["iat"] = now + 3600 }, "no list": func(s *statuses) { delete(s.claims, "status_list") },
		"three bits": func(s *statuses) { s.claims["status_list"].(m)["bits"] = 3 }, "no bits": func(s *statuses) { delete(s.claims["status_list"].(m), "bits") },
		"not base64url": func(s *statuses) { s.claims["status_list"].(m)["lst"] = "====" }, "not zlib": func(s *statuses) { s.claims["status_list"].(m)["lst"] = optest.B64([]byte("abc")) },
		"cut off": func(s *statuses) {
			s.claims["status_list"].(m)["lst"] = compressed(bytes.Repeat([]byte{1, 2, 3}, 99))[:20]
		},
		"a bomb": func(s *statuses) { s.claims["status_list"].(m)["lst"] = bomb }, "ttl 0": func(s *statuses) { s.claims["ttl"] = 0 }, "ttl as a string": func(s *statuses) { s.claims["ttl"] = "60" },
		"another media type": func(s *statuses) { s.typ = "application/jwt" }, "not found": func(s *statuses) { s.down = true },
		"another key": func(s *statuses) {
			keys := s.Keys
			s.Replace("/jwks", func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.Write(optest.JWKS(keys...))
			})
			s.Replace("/statuslists/1", func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", s.typ)
				fmt.Fprint(w, optest.NewKey("k2", "RS256").Sign(s.claims, s.header))
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStatuses(t)
			edit(s)
			if got := s.judged(t, s.lists(), s.at(2)); got != 503 {
				t.Errorf("%d", got)
			}
			if n := s.asked.Load(); n > 1 {
				t.Errorf("fetched %d times", n)
			}
		})
	}
}

// TestStatusListFresh: a list is used for its ttl and then fetched again. If that fails it is
// used for StaleFor, and never after its exp. SL-03.
func TestStatusListFresh(t *testing.T) {
	s := newStatuses(t)
	var off atomic.Int64
	l := s.lists()
	l.Now = func() time.Time { return time.Now().Add(time.Duration(off.Load())) }
	wait := func(d time.Duration) { off.Add(int64(d)) }
	if s.judged(t, l, s.at(2)) != 200 {
		t.Fatal("rejected")
	}
	s.set(func() { s.claims["status_list"].(m)["lst"] = compressed([]byte{0xff, 0xff, 0xff}) })
	wait(50 * time.Second)
	if s.judged(t, l, s.at(2)) != 200 || s.asked.Load() != 1 {
		t.Error("fetched before ttl")
	}
	wait(20 * time.Second)
	if s.judged(t, l, s.at(2)) != 401 || s.asked.Load() != 2 {
		t.Error("not fetched after ttl")
	}
	s.set(func() { s.down = true })
	wait(70 * time.Second)
	if got := s.judged(t, l, s.at(2)); got != 503 {
		t.Errorf("without the list: %d", got)
	}
	l.StaleFor = 2 * time.Hour
	if got := s.judged(t, l, s.at(2)); got != 401 {
		t.Errorf("with StaleFor: %d", got)
	}
	wait(time.Hour)
	if got := s.judged(t, l, s.at(2)); got != 503 {
		t.Errorf("past exp: %d", got)
	}
}

// TestStatusListOrigins: a list of another origin is accepted only if it is configured. SL-04.
func TestStatusListOrigins(t *testing.T) {
	s := newStatuses(t)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", s.typ)
		s.claims["sub"] = "http://" + r.Host + r.URL.Path
		fmt.Fprint(w, s.Keys[0].Sign(s.claims, s.header))
	}))
	defer other.Close()
	status := m{"status_list": m{"idx": 2, "uri": other.URL + "/1"}}
	l := s.lists()
	if got := s.judged(t, l, status); got != 401 {
		t.Errorf("not configured: %d", got)
	}
	l.Origins = []string{other.URL}
	if got := s.judged(t, l, status); got != 200 {
		t.Errorf("configured: %d", got)
	}
}

// TestPingSessions: PingFederate is asked with the required header, and the response is cached
// for a while. If it does not answer, the token is rejected. REV-17.
func TestPingSessions(t *testing.T) {
	s := optest.New(t)
	var asked, revoked atomic.Int32
	status := atomic.Int32{}
	s.Replace("/pf-ws/rest/sessionMgmt/revokedSris/a%2Fb", nil)
	ping := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, secret, _ := r.BasicAuth()
		switch {
		case r.Header.Get("X-XSRF-Header") == "" || secret != url.QueryEscape(optest.ClientSecret):
			w.WriteHeader(http.StatusForbidden)
		case r.Method == http.MethodPost:
			revoked.Add(1)
			w.WriteHeader(http.StatusCreated)
		case !strings.HasPrefix(r.URL.EscapedPath(), "/pf-ws/rest/sessionMgmt/revokedSris/"):
			w.WriteHeader(http.StatusInternalServerError)
		default:
			asked.Add(1)
			w.WriteHeader(int(status.Load()))
		}
	}))
	defer ping.Close()
	var off atomic.Int64
	v := &rs.PingSessions{
		Issuer: s.URL, URL: ping.URL + "/pf-ws/rest/sessionMgmt/revokedSris", Auth: introspection(s).Auth,
		Now: func() time.Time { return time.Now().Add(time.Duration(off.Load())) },
	}
	p := quiet(jwtVerifier(s))
	p.Revocation = []rs.RevocationCheck{v}
	with := func(sri any) int { return ask(p, bearer(s.AccessToken(m{"pi.sri": sri}, nil)), "/").Code }
	status.Store(404)
	if a, b := with("one"), with("one"); a != 200 || b != 200 || asked.Load() != 1 {
		t.Errorf("%d %d, asked %d times", a, b, asked.Load())
	}
	status.Store(200)
	off.Add(int64(11 * time.Second))
	if a, b := with("one"), with("a/b"); a != 401 || b != 401 {
		t.Errorf("revoked: %d %d", a, b)
	}
	off.Add(int64(time.Minute))
	status.Store(404)
	if with("one") != 401 || asked.Load() != 3 {
		t.Error("a revoked session comes back")
	}
	for _, code := range []int32{500, 204, 403} {
		status.Store(code)
		if got := with(fmt.Sprint("new", code)); got != 503 {
			t.Errorf("%d from the server: %d", code, got)
		}
	}
	status.Store(404)
	if with("ours") != 200 || v.Revoke(t.Context(), "ours") != nil || with("ours") != 401 || revoked.Load() != 1 {
		t.Error("Revoke does not end the session")
	}
	if with(nil) != 200 || with(7) != 401 {
		t.Error("no pi.sri, or one that is a number")
	}
	v.Required = true
	if with(nil) != 401 {
		t.Error("no pi.sri, and Required")
	}
	for wrong, bad := range map[string]*rs.PingSessions{
		"PingSessions.Issuer": {}, "PingSessions.URL": {Issuer: s.URL, Auth: v.Auth}, "/revokedSris": {Issuer: s.URL, Auth: v.Auth, URL: ping.URL},
		"PingSessions.MaxAge": {Issuer: s.URL, Auth: v.Auth, URL: v.URL, MaxAge: time.Hour}, "ping_revoked_sris_endpoint": {Issuer: s.URL, Auth: v.Auth, Server: &discovery.Provider{Issuer: s.URL}},
	} {
		if err := bad.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), wrong) {
			t.Errorf("%v, want %s", err, wrong)
		}
	}
}

// TestStatusListsBound: 32 lists are cached. The 33rd replaces another one, which is fetched
// again. SL-03.
func TestStatusListsBound(t *testing.T) {
	s := newStatuses(t)
	l := s.lists()
	one := func(n int) {
		path := fmt.Sprint("/statuslists/", n)
		s.Replace(path, func(w http.ResponseWriter, r *http.Request) {
			s.asked.Add(1)
			w.Header().Set("Content-Type", s.typ)
			claims := maps.Clone(s.claims)
			claims["sub"] = s.URL + path
			fmt.Fprint(w, s.Keys[0].Sign(claims, s.header))
		})
		if got := s.judged(t, l, m{"status_list": m{"idx": 2, "uri": s.URL + path}}); got != 200 {
			t.Errorf("list %d: %d", n, got)
		}
	}
	all := func(n int) int32 {
		s.asked.Store(0)
		for i := range n {
			one(i)
		}
		return s.asked.Load()
	}
	if first, again := all(32), all(32); first != 32 || again != 0 {
		t.Errorf("32 lists: %d fetches, then %d", first, again)
	}
	if n := all(33); n < 1 || n > 33 {
		t.Errorf("a 33rd list: %d fetches", n)
	}
	if n := all(33); n < 1 {
		t.Error("33 lists are remembered")
	}
}

// TestPingSessionsBound: at most Size sessions are cached. REV-17.
func TestPingSessionsBound(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { asked.Add(1); http.NotFound(w, r) }))
	defer server.Close()
	for _, size := range []int{1, 2, 7, 100} {
		v := &rs.PingSessions{Issuer: "https://ping.example", URL: server.URL + "/revokedSris", Auth: noAuthentication{}, Size: size, MaxAge: 5 * time.Minute}
		ask := func(n int) int32 {
			asked.Store(0)
			if _, err := v.Revoked(t.Context(), fmt.Sprint(n)); err != nil {
				t.Error(err)
			}
			return asked.Load()
		}
		for n := range 3 * size {
			ask(n)
		}
		remembered := 0
		for n := 3*size - 1; n >= 0 && ask(n) == 0; n-- { // the newest first: a session that is requested again is cached again
			remembered++
		}
		if remembered < max(1, size/2) || remembered > size {
			t.Errorf("Size %d: %d sessions are remembered", size, remembered)
		}
	}
}
