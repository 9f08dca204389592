// Package login signs the visitors of a web application in. An application mounts its handlers,
// which use [client.Client], and reads the signed-in user from the request:
//
//	l, err := login.New(login.Config{Clients: map[string]*client.Client{"main": c}, Keys: keys})
//	mux.Handle("/login", l.Start())
//	mux.Handle("/callback", l.Callback()) // the path of the client's RedirectURL
//	mux.Handle("/logout", l.Logout())
//	mux.Handle("/", l.Require(app))
//
// # Sign visitors in
//
// [Login.Start] begins a login, and [Login.Callback] finishes it. [Login.Require] lets only
// signed-in visitors pass. [Login.Identify] lets all visitors pass, and [Login.Silent] signs in those
// who have a session at the server. [Login.Begin] starts a login with other settings, such as a
// step-up. [Login.Initiated] starts logins that a third party requests.
//
// # Use the session
//
// [FromContext] returns the [User]. [User.Claims] decodes the claims that the session keeps.
// [User.Tokens] returns access tokens for APIs. In Config.SignIn the application accepts or rejects
// a user, and [User.SetClaim] adds claims.
//
// # Serve a single-page application
//
// [Login.Session] tells the scripts of a page who is signed in. [Login.Proxy] forwards their requests
// to an API, with the access token.
//
// # End a session
//
// [Login.Logout] ends the session here and at the server. [Login.LoggedOut] receives the visitor
// afterwards. [Login.BackchannelLogout] and [Login.FrontchannelLogout] end sessions that the server
// ends. [Login.EndAccess] ends the sessions of a user.
//
// # Bind sessions to a device
//
// Config.Device offers device-bound sessions to browsers. Mount [Login.DeviceSession].
// [Login.RequireDevice] protects routes that need a bound session.
//
// # Run several processes
//
// Without a [Store], sessions are in sealed cookies, and a session ends only in its browser.
// With a Store, the cookie names a session in the Store, and a back-channel logout ends it. Packages
// redisstore and sqlstore have Stores for several processes. [Memory] is a Store for one process.
// [ParseKeys] reads the keys that all processes share.
//
// # Check and observe
//
// [New] reports every fault of a [Config]. [Login.Ready] reports whether the servers and the Store
// answer. A [Problem] is what a visitor learns about a failed request. A [Counter] counts events.
// Package client/logintest tests handlers without a server.
package login
