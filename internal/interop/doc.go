// Package interop tests the module's packages with authorization servers of other projects.
// Each test runs a complete login: a browser, a web application, the server and an API. The
// servers run on loopback; the script run downloads and starts them.
package interop
