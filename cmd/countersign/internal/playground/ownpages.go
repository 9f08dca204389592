package playground

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// RedirectURI is the redirect URI to register for the client at the person's own server.
func RedirectURI(address string) string { return "http://" + address + "/callback" }

// maxLogins is how many logins are kept: one for each tab, and some unfinished ones.
const maxLogins = 8

func (s *Server) keep(login *ownLogin) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.logins = append(s.logins, login); len(s.logins) > maxLogins {
		s.logins = append([]*ownLogin(nil), s.logins[1:]...)
	}
}

// loginOf returns the login with a state. For an unknown state it returns the latest login, so that
// the page shows the rejection of a changed state.
func (s *Server) loginOf(state string) *ownLogin {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, login := range s.logins {
		if login.pending.State == state {
			return login
		}
	}
	if len(s.logins) == 0 {
		return nil
	}
	return s.logins[len(s.logins)-1]
}

// loginByID returns nil for an unknown id.
func (s *Server) loginByID(id string) *ownLogin {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, login := range s.logins {
		if login.id == id {
			return login
		}
	}
	return nil
}

// stateOf returns the state of a response. With JARM it is in a JWT.
func stateOf(q url.Values) string {
	if state, ok := payloadOf(q.Get("response"))["state"].(string); ok {
		return state
	}
	return q.Get("state")
}

const maxResponse = 16 << 10

// callback is the redirect URI of the person's own server. A request from another site has no
// cookie. So the response is stored, and the page that shows it requires the cookie.
func (s *Server) callback(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet || len(r.URL.RawQuery) > maxResponse {
		http.Error(w, "expected a response in the query", http.StatusBadRequest)
		return
	}
	q := r.URL.Query()
	login := s.loginOf(stateOf(q))
	if login == nil {
		http.Error(w, "no sign-in is under way", http.StatusBadRequest)
		return
	}
	login.arrive(q)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = io.WriteString(w, fmt.Sprintf(`<!DOCTYPE html><html lang="en"><title>Back to the playground</title><meta http-equiv="refresh" content="0; url=/own?login=%[1]s"><p><a href="/own?login=%[1]s">Back to the playground</a>`, login.id))
}

func (s *Server) finishOwn(w http.ResponseWriter, r *http.Request) {
	login := s.loginByID(r.URL.Query().Get("login"))
	if login == nil {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	v := view{On: login.on, Result: login.finish(r.Context(), r.Method == http.MethodPost)}
	if v.Result == nil {
		v.Result = &Result{Failure: "The server's response has not arrived yet."}
		if state, foreign := login.foreign(); foreign {
			v.Result, v.Foreign, v.Login = nil, &state, login.id
		}
	}
	s.write(w, v)
}

// beginOwn shows the address of the authorization request.
func (s *Server) beginOwn(w http.ResponseWriter, r *http.Request, on map[string]bool, attack *Attack) {
	login, address, err := s.own.begin(r.Context(), s.redirect, on, attack)
	if err != nil {
		s.write(w, view{On: on, Result: &Result{Failure: login.text(err)}})
		return
	}
	s.keep(login)
	s.write(w, view{On: on, Continue: address, Pressed: attack})
}
