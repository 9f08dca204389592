// Package login is what a web application mounts to let its visitors sign in: handlers
// around [client.Client], and the sessions that they lead to.
//
//	l, err := login.New(login.Config{Clients: map[string]*client.Client{"main": c}, Keys: keys})
//	mux.Handle("/login", l.Start())
//	mux.Handle("/callback", l.Callback()) // the path of the client's RedirectURL
//	mux.Handle("/logout", l.Logout())
//	mux.Handle("/", l.Require(app))
//
// In app, [FromContext] tells who the visitor is.
//
// Without a [Store] everything is in sealed cookies, and the server keeps nothing: a
// session then ends in this browser alone. With one, the cookie names a session that is in
// the store, and a back-channel logout ends it wherever it is.
package login
