// Package grpcrs is package rs for gRPC servers: interceptors that let a call through if
// its access token is good, and tell the method's handler who calls.
//
//	api, err := grpcrs.New(grpcrs.Config{
//		Protection: &rs.Protection{Tokens: …},
//		Methods:    map[string]grpcrs.Guard{"/photos.Photos/List": rs.RequireScope("photos.read")},
//	})
//	server := grpc.NewServer(grpc.UnaryInterceptor(api.Unary), grpc.StreamInterceptor(api.Stream))
//
// Calls are judged as requests are by [rs.Protection.Handler]: one value of the metadata
// "authorization", of the scheme Bearer, and the same verifiers, guards, counters and log
// lines. [rs.FromContext] gives the caller in the handler. A call that is refused ends with
// Unauthenticated, PermissionDenied or Unavailable, and what HTTP has in WWW-Authenticate
// is in the trailer "www-authenticate".
//
// A token that is bound to a client certificate (RFC 8705) is held against that of the
// call's TLS connection. One that is bound by DPoP (RFC 9449) is refused: its proofs are
// for an HTTP method and address, which a gRPC call has none of that a client would sign.
package grpcrs

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"google.golang.org/grpc"

	"github.com/countersign/countersign/rs"
)

// Guard stands before a method, as it does before a route: rs.RequireScope and the others,
// and rs.Require for anything else. The request that it sees has the method's full name as
// its path, and of the metadata what package rs reads.
type Guard = func(http.Handler) http.Handler

// Config says what a server's methods need. Protection must be set. Every method is named
// in full: "/package.Service/Method".
type Config struct {
	// Protection judges the calls. It may be that of an HTTP API too: its DPoP and its
	// Deny are not used here, and one that requires DPoP is refused by New. Optional means
	// what it means there: calls without a token get as far as no guard stands.
	Protection *rs.Protection

	// Methods says what single methods need beside a good token.
	Methods map[string]Guard

	// Default is the guard of every method that is not in Methods. nil means that a good
	// token is enough; rs.RequireAnyScope() without a scope lets nobody call them.
	Default Guard

	// Public are the methods that need no token. Health and reflection are methods like
	// any other: they are public only if they stand here.
	Public []string
}

// Interceptors are what a grpc.Server is protected with.
type Interceptors struct {
	methods  map[string]http.Handler // nil for a public one
	fallback http.Handler
	header   string // in which a proxy forwards certificates
}

// New makes the interceptors of a configuration, or says what is wrong with it.
func New(c Config) (*Interceptors, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	p := *c.Protection
	p.DPoP, p.Deny = nil, refuse
	i := &Interceptors{methods: map[string]http.Handler{}, fallback: guarded(&p, c.Default)}
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
		return errors.New("grpcrs: Config.Protection is nil, or its Tokens")
	case c.Protection.DPoP != nil && c.Protection.DPoP.Required:
		return errors.New("grpcrs: Config.Protection requires DPoP, which gRPC calls cannot prove")
	}
	for method, guard := range c.Methods {
		if err := checkMethod(method); err != nil {
			return err
		}
		if guard == nil {
			return fmt.Errorf("grpcrs: the guard of %q is nil", method)
		}
	}
	for _, method := range c.Public {
		if err := checkMethod(method); err != nil {
			return err
		}
		if c.Methods[method] != nil {
			return fmt.Errorf("grpcrs: %q is in Methods and in Public", method)
		}
	}
	return nil
}

// checkMethod wants the full name of one method: there are no patterns.
func checkMethod(method string) error {
	service, name, ok := strings.Cut(strings.TrimPrefix(method, "/"), "/")
	if !ok || method[0] != '/' || service == "" || name == "" || strings.ContainsAny(name, "/*") {
		return fmt.Errorf("grpcrs: %q is not the full name of a method (/package.Service/Method)", method)
	}
	return nil
}

// guarded is the middleware of a method, with nothing behind it but a note that the call
// got there.
func guarded(p *rs.Protection, guard Guard) http.Handler {
	var last http.Handler = http.HandlerFunc(pass)
	if guard != nil {
		last = guard(last)
	}
	return p.Handler(last)
}

// Check holds the names in Config against the methods that the server has (its
// GetServiceInfo, when everything is registered): a guard under a misspelt name guards
// nothing, and its method is open to every good token.
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
		return fmt.Errorf("grpcrs: the server has no %s", strings.Join(missing, ", "))
	}
	return nil
}
