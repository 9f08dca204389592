// Package interop takes the module's packages to authorization servers that others
// wrote, and walks the path of a login with each of them: a browser, a web app, the
// server, an API. The servers run on loopback; the script run gets and starts them.
package interop
