package machines_test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// site is the application as browsers see it: two processes behind one address.
type site struct {
	*world
	t         *testing.T
	all       []*process
	turn      atomic.Int32 // the process that answers
	callbacks atomic.Int32 // the process that answers callbacks
}

func startSite(t *testing.T, backend string) *site {
	s := &site{world: newWorld(t, backend), t: t}
	proxy := &httputil.ReverseProxy{Rewrite: s.route}
	front := httptest.NewServer(proxy)
	t.Cleanup(front.Close)
	s.setup.Front = front.URL
	s.all = startProcesses(t, s.setup, 2)
	return s
}

// route sends a request to the process whose turn it is.
func (s *site) route(r *httputil.ProxyRequest) {
	turn := s.turn.Load()
	if r.In.URL.Path == "/callback" {
		turn = s.callbacks.Load()
	}
	target, err := url.Parse(s.all[turn].address)
	if err != nil {
		panic(err) // it is the address of a listener
	}
	r.SetURL(target)
	r.Out.Host = r.In.Host
}

// send selects the process for the next request, and the one for callbacks.
func (s *site) send(turn int32) {
	s.turn.Store(turn)
	s.callbacks.Store(turn)
}

func newBrowser() *http.Client {
	jar, _ := cookiejar.New(nil) // cookiejar.New does not fail without options
	return &http.Client{Jar: jar, Timeout: time.Minute}
}

// visit returns the text of a page.
func visit(browser *http.Client, address string) string {
	resp, err := browser.Get(address)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return resp.Status
	}
	return string(body)
}

// token is the access token that the page shows for a visitor who is signed in.
func (s *site) token(browser *http.Client, turn int32) string {
	s.t.Helper()
	s.send(turn)
	shown := visit(browser, s.Front+"/")
	user, token, ok := strings.Cut(strings.TrimPrefix(shown, "user "), " ")
	if !ok || user != userName(0) {
		s.t.Fatalf("process %d shows %.200s", turn, shown)
	}
	return token
}

// signIn begins a login at one process and ends it at the other.
func (s *site) signIn(begins int32) *http.Client {
	s.t.Helper()
	browser := newBrowser()
	s.turn.Store(begins)
	s.callbacks.Store(1 - begins)
	if shown := visit(browser, s.Front+"/plain"); shown != "user "+userName(0) {
		s.t.Fatalf("a login that begins at process %d and ends at the other shows %.200s", begins, shown)
	}
	return browser
}

// isOut reports whether a process sends the browser to sign in.
func (s *site) isOut(browser *http.Client, turn int32) bool {
	s.t.Helper()
	s.send(turn)
	stays := *browser
	stays.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := stays.Get(s.Front + "/plain")
	if err != nil {
		s.t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusFound || resp.StatusCode == http.StatusSeeOther
}

func (s *site) post(browser *http.Client, turn int32, path string, form url.Values) int {
	s.t.Helper()
	s.send(turn)
	stays := *browser
	stays.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := stays.PostForm(s.Front+path, form)
	if err != nil {
		s.t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// TestSite: two processes with a login and an API, over one Redis and over one PostgreSQL.
func TestSite(t *testing.T) {
	for _, backend := range backends {
		t.Run(backend, func(t *testing.T) {
			s := startSite(t, backend)
			t.Run("session", s.sessions)
			t.Run("refresh", s.refresh)
			t.Run("logout", s.logout)
			t.Run("back-channel logout", s.backChannel)
			t.Run("proof and revocation", s.calls)
			t.Run("a process ends", s.processEnds)
		})
	}
}

// sessions: a login may begin and end at different processes. Both processes have its session.
func (s *site) sessions(t *testing.T) {
	for begins := range int32(2) {
		browser := s.signIn(begins)
		if s.token(browser, 0) != s.token(browser, 1) {
			t.Error("the processes have different tokens of one session")
		}
	}
}

// refresh: both processes need a new token at the same moment. One request is sent: the
// issuer revokes a login whose refresh token is used twice.
func (s *site) refresh(t *testing.T) {
	browser, shown := s.signIn(0), make([]string, 20)
	old := s.token(browser, 0)
	before, cookies := s.refreshes(), browser.Jar
	var group sync.WaitGroup
	for i := range shown { // at the processes themselves, with the cookies of the site
		group.Go(func() { shown[i] = page(s.all[i%2].address+"/?rejected="+old, s.Front, cookies) })
	}
	group.Wait()
	for _, page := range shown {
		if page != shown[0] || !strings.HasPrefix(page, "user "+userName(0)+" ") || strings.Contains(page, old) {
			t.Fatalf("one page shows %.60s, expected the new token as on the others", page)
		}
	}
	if n := s.refreshes() - before; n != 1 {
		t.Errorf("%d requests to refresh, expected 1", n)
	}
	if old == s.token(browser, 1) {
		t.Error("the old token is still used")
	}
}

// page requests a page of a process, as the proxy does.
func page(address, front string, jar http.CookieJar) string {
	r, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return err.Error()
	}
	site, err := url.Parse(front)
	if err != nil {
		return err.Error()
	}
	r.Host = site.Host
	for _, c := range jar.Cookies(site) {
		r.AddCookie(c)
	}
	resp, err := (&http.Client{Timeout: time.Minute}).Do(r)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return resp.Status
	}
	return string(body)
}

// logout: a session that ends at one process has ended at the other.
func (s *site) logout(t *testing.T) {
	for turn := range int32(2) {
		browser, other := s.signIn(turn), s.signIn(turn)
		if status := s.post(browser, turn, "/logout", nil); status != http.StatusSeeOther {
			t.Fatal(status)
		}
		for at := range int32(2) {
			if !s.isOut(browser, at) {
				t.Errorf("after a logout at process %d, process %d still has the session", turn, at)
			}
			if s.isOut(other, at) {
				t.Errorf("a logout in one browser ended the session of another")
			}
		}
	}
}

// backChannel: a logout at the issuer ends all sessions of the user, at both processes.
func (s *site) backChannel(t *testing.T) {
	for turn := range int32(2) {
		laptop, phone := s.signIn(0), s.signIn(1)
		form := url.Values{"logout_token": {s.issuer.LogoutToken("web", userName(0), "")}}
		if status := s.post(newBrowser(), turn, "/backchannel", form); status != http.StatusOK {
			t.Fatal(status)
		}
		for at := range int32(2) {
			if !s.isOut(laptop, at) || !s.isOut(phone, at) {
				t.Errorf("a logout of the issuer at process %d did not end every session at process %d", turn, at)
			}
		}
		if status := s.post(newBrowser(), 1-turn, "/backchannel", form); status == http.StatusOK {
			t.Error("the other process accepted the same logout token")
		}
	}
}

// calls: the API accepts a proof once, and no token of a session that ended.
func (s *site) calls(t *testing.T) {
	proof := s.sender.proof()
	for turn, want := range []int{200, 401} {
		if status := s.call(turn, proof); status != want {
			t.Errorf("process %d answers a proof with %d, expected %d", turn, status, want)
		}
	}
	wantAll(t, s.all[0].do(order{Do: "end access", Args: []string{s.sender.sid}}), "ended")
	for turn := range 2 {
		for end := time.Now().Add(time.Minute); s.call(turn, s.sender.proof()) != 401; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("process %d still accepts the token", turn)
			}
		}
	}
}

func (s *site) call(turn int, proof string) int {
	s.t.Helper()
	r, err := http.NewRequest(http.MethodGet, s.all[turn].address+"/api", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	token, proof, _ := strings.Cut(proof, " ")
	r.Header.Set("Authorization", "DPoP "+token)
	r.Header.Set("DPoP", proof)
	resp, err := (&http.Client{Timeout: time.Minute}).Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// processEnds: sessions continue at the other process.
func (s *site) processEnds(t *testing.T) {
	browser := s.signIn(0)
	s.all[0].kill()
	s.token(browser, 1)
}
