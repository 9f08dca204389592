// Package login signs the visitors of a web application in. An application mounts its handlers,
// which use [client.Client], and reads the signed-in user from the request:
//
//	l, err := login.New(login.Config{Clients: map[string]*client.Client{"main": c}, Keys: keys})
//	mux.Handle("/login", l.Start())
//	mux.Handle("/callback", l.Callback()) // the path of the client's RedirectURL
//	mux.Handle("/logout", l.Logout())
//	mux.Handle("/", l.Require(app))
//
// In app, [FromContext] returns the user.
//
// Without a [Store], sessions are in sealed cookies, and a session ends only in its browser.
// With a Store, the cookie names a session in the Store, and a back-channel logout ends it.
package login
