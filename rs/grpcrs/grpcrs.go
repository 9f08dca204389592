// Package grpcrs is package rs for gRPC servers. Its interceptors verify the access token of every
// call and give the method's handler the user, the client and the scopes.
//
//	api, err := grpcrs.New(grpcrs.Config{
//		Protection: &rs.Protection{Tokens: …},
//		Methods:    map[string]grpcrs.Guard{"/photos.Photos/List": rs.RequireScope("photos.read")},
//	})
//	server := grpc.NewServer(grpc.UnaryInterceptor(api.Unary), grpc.StreamInterceptor(api.Stream))
//
// Calls are checked like the requests of [rs.Protection.Handler], with the same verifiers, guards,
// counters and log lines. The metadata "authorization" must have one value with the scheme Bearer.
// In the handler, [rs.FromContext] returns the caller. A rejected call ends with Unauthenticated,
// PermissionDenied, ResourceExhausted or Unavailable. The trailer "www-authenticate" has the
// challenge. A stream ends when its token expires.
//
// A token that is bound to a client certificate (RFC 8705) is accepted only with that certificate.
// It is the certificate of the call's TLS connection, or the one that a trusted proxy forwards
// (Protection.MTLS). A token that is bound by DPoP (RFC 9449) is rejected: its proofs are for an
// HTTP method and URL.
package grpcrs

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"

	"github.com/countersign/countersign/rs"
)

// Guard protects one method in the same way as a route: rs.RequireScope and the other guards,
// or rs.Require for a custom check. Its request has the method's full name as the path, and the
// metadata that package rs reads as header fields.
type Guard = func(http.Handler) http.Handler

// Config says what the methods of a server require. Protection must be set. Methods are written
// with their full names: "/package.Service/Method".
type Config struct {
	// Protection verifies the tokens. An HTTP API may use the same Protection. Its DPoP and Deny
	// are not used here, and New rejects one that requires DPoP. With Optional, calls without a
	// token reach the methods that have no guard.
	Protection *rs.Protection

	// Methods are the guards of single methods. These methods also need a valid token. nil means
	// that Default guards every method.
	Methods map[string]Guard

	// Default is the guard of every method that is not in Methods. nil means that a valid token
	// is sufficient. rs.RequireAnyScope() without arguments rejects every call.
	Default Guard

	// Public are the methods that need no token. Health and reflection are not public unless they
	// are listed here. Empty means none.
	Public []string

	// InsecureKeepStreams keeps a stream open after its token has expired. A stolen or revoked
	// token then works for as long as the stream.
	InsecureKeepStreams bool
}

// Interceptors protect a grpc.Server with their methods Unary and Stream. They are safe for
// concurrent use.
type Interceptors struct {
	methods  map[string]http.Handler // nil for a public method
	fallback http.Handler
	header   string // the header field in which a proxy forwards certificates

	keepStreams bool
	now         func() time.Time
}

// New returns the interceptors for a configuration, or an error that names the wrong setting.
func New(c Config) (*Interceptors, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	p := *c.Protection
	p.DPoP, p.Deny = nil, refuse
	i := &Interceptors{methods: map[string]http.Handler{}, fallback: guarded(&p, c.Default), keepStreams: c.InsecureKeepStreams, now: p.Now}
	if i.now == nil {
		i.now = time.Now
	}
	for method, guard := range c.Methods {
		i.methods[method] = guarded(&p, guard)
	}
	for _, method := range c.Public {
		i.methods[method] = nil
	}
	if p.MTLS != nil {
		i.header = p.MTLS.Header
	}
	return i, nil
}

func (c Config) check() error {
	switch {
	case c.Protection == nil || c.Protection.Tokens == nil:
		return errors.New("grpcrs: Config.Protection or its Tokens is nil: set both")
	case c.Protection.DPoP != nil && c.Protection.DPoP.Required:
		return errors.New("grpcrs: Config.Protection requires DPoP, but gRPC calls cannot have DPoP proofs: use a Protection without DPoP.Required")
	case c.Protection.TokenHeader != "":
		return errors.New("grpcrs: Config.Protection has a TokenHeader, but the token of a gRPC call is read from the metadata key authorization: use a Protection without TokenHeader")
	}
	for method, guard := range c.Methods {
		if err := checkMethod(method); err != nil {
			return err
		}
		if guard == nil {
			return fmt.Errorf("grpcrs: the guard of %q is nil: set a guard", method)
		}
	}
	for _, method := range c.Public {
		if err := checkMethod(method); err != nil {
			return err
		}
		if c.Methods[method] != nil {
			return fmt.Errorf("grpcrs: %q is in Methods and in Public: remove it from one of them", method)
		}
	}
	return nil
}

// checkMethod requires the full name of one method. Patterns are not supported.
func checkMethod(method string) error {
	service, name, ok := strings.Cut(strings.TrimPrefix(method, "/"), "/")
	if !ok || method[0] != '/' || service == "" || name == "" || strings.ContainsAny(name, "/*") {
		return fmt.Errorf("grpcrs: %q is not the full name of a method (/package.Service/Method)", method)
	}
	return nil
}

// guarded returns the middleware of a method. Its handler only notes that the call was
// accepted.
func guarded(p *rs.Protection, guard Guard) http.Handler {
	var last http.Handler = http.HandlerFunc(pass)
	if guard != nil {
		last = guard(last)
	}
	return p.Handler(last)
}

// Check compares the method names in Config with the methods of the server. Pass GetServiceInfo
// of the server after all services are registered. A guard with a misspelled method name
// protects nothing, and its method accepts every valid token. The error lists the methods that
// the server does not have.
func (i *Interceptors) Check(services map[string]grpc.ServiceInfo) error {
	var known, missing []string
	for service, info := range services {
		for _, m := range info.Methods {
			known = append(known, "/"+service+"/"+m.Name)
		}
	}
	for method := range i.methods {
		if !slices.Contains(known, method) {
			missing = append(missing, method)
		}
	}
	if slices.Sort(missing); len(missing) > 0 {
		return fmt.Errorf("grpcrs: Config names methods that the server does not have: %s", strings.Join(missing, ", "))
	}
	return nil
}
