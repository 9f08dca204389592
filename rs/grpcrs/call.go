package grpcrs

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/countersign/countersign/rs"
)

// Unary is a grpc.UnaryServerInterceptor. The error of a rejected call is a status with one of
// these codes. The trailer "www-authenticate" has the challenge, and the log has the reason.
//
//   - Unauthenticated: the token is missing, malformed or rejected. The client gets a new
//     token.
//   - PermissionDenied: a guard rejects the call. The token needs more scopes.
//   - ResourceExhausted: Limit of a Verifier asks the client to wait.
//   - Unavailable: the token cannot be verified now, or the Interceptors were not made by
//     [New].
func (i *Interceptors) Unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	ctx, trailer, err := i.judge(ctx, info.FullMethod)
	if err != nil {
		grpc.SetTrailer(ctx, trailer)
		return nil, err
	}
	return handler(ctx, req)
}

// Stream is a grpc.StreamServerInterceptor. The token is checked when the stream begins. It returns
// the same errors as Unary: Unauthenticated, PermissionDenied, ResourceExhausted and Unavailable.
// When the token expires, the stream ends with Unauthenticated (see Config.InsecureKeepStreams).
func (i *Interceptors) Stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	ctx, trailer, err := i.judge(ss.Context(), info.FullMethod)
	if err != nil {
		ss.SetTrailer(trailer)
		return err
	}
	run := func(ctx context.Context) error { return handler(srv, &stream{ss, ctx}) }
	left, expires := i.left(ctx)
	if !expires {
		return run(ctx)
	}
	err = untilExpiry(ctx, left, run)
	if err == errExpired {
		ss.SetTrailer(metadata.Pairs("www-authenticate", expiredChallenge))
	}
	return err
}

// stream is a ServerStream whose context has the caller.
type stream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s *stream) Context() context.Context { return s.ctx }

// call is an http.ResponseWriter that sends nothing. It keeps the result of a call.
type call struct {
	header  http.Header
	passed  context.Context // the context of an accepted call
	refused *rs.Error
}

func (c *call) Header() http.Header         { return c.header }
func (c *call) Write(b []byte) (int, error) { return len(b), nil }
func (c *call) WriteHeader(int)             {}

type callKey struct{}

// judge returns the context for the handler of an accepted call, or the trailer and status of a
// rejected one.
func (i *Interceptors) judge(ctx context.Context, method string) (context.Context, metadata.MD, error) {
	if !strings.HasPrefix(method, "/") { // a client may omit the slash, and some versions of grpc accept this
		method = "/" + method
	}
	h, named := i.methods[method]
	if named && h == nil {
		return ctx, nil, nil
	}
	if !named {
		h = i.fallback
	}
	if h == nil { // not created by New
		return ctx, nil, status.Error(codes.Unavailable, "the server is not set up")
	}
	c := &call{header: http.Header{}}
	h.ServeHTTP(c, i.request(context.WithValue(ctx, callKey{}, c), method))
	if c.refused == nil && c.passed != nil {
		return c.passed, nil, nil
	}
	return ctx, c.trailer(), c.status()
}

// request builds the HTTP request that package rs checks.
func (i *Interceptors) request(ctx context.Context, method string) *http.Request {
	md, _ := metadata.FromIncomingContext(ctx)
	header := http.Header{}
	if values := md.Get("authorization"); len(values) > 0 {
		header["Authorization"] = values
	}
	if values := md.Get(i.header); i.header != "" && len(values) > 0 {
		header[http.CanonicalHeaderKey(i.header)] = values
	}
	r := (&http.Request{
		Method: http.MethodPost, URL: &url.URL{Path: method}, Header: header, Body: http.NoBody, Proto: "HTTP/2.0", ProtoMajor: 2,
	}).WithContext(ctx)
	if p, ok := peer.FromContext(ctx); ok {
		addPeer(r, p)
	}
	return r
}

// addPeer copies the client's address and certificate.
func addPeer(r *http.Request, p *peer.Peer) {
	if p.Addr != nil {
		r.RemoteAddr = p.Addr.String()
	}
	if info, ok := p.AuthInfo.(credentials.TLSInfo); ok {
		r.TLS = &info.State
	}
}

// pass runs after the guards.
func pass(_ http.ResponseWriter, r *http.Request) {
	if c, ok := r.Context().Value(callKey{}).(*call); ok {
		c.passed = r.Context()
	}
}

// refuse keeps the error that rs.Protection would respond with.
func refuse(_ http.ResponseWriter, r *http.Request, e *rs.Error) {
	if c, ok := r.Context().Value(callKey{}).(*call); ok {
		c.refused = e
	}
}

// trailer returns the challenge.
func (c *call) trailer() metadata.MD {
	return metadata.MD{"www-authenticate": c.header["Www-Authenticate"]}
}

// status returns the status of a rejected call, without the cause. A guard that is not of
// package rs and did not call the next handler has rejected the call.
func (c *call) status() error {
	if c.refused == nil {
		return status.Error(codes.PermissionDenied, "the call is not allowed")
	}
	return status.Error(code(c.refused.Status), c.refused.Description)
}

func code(httpStatus int) codes.Code {
	switch {
	case httpStatus == http.StatusTooManyRequests:
		return codes.ResourceExhausted
	case httpStatus >= http.StatusInternalServerError:
		return codes.Unavailable
	case httpStatus == http.StatusUnauthorized || httpStatus == http.StatusBadRequest:
		return codes.Unauthenticated
	}
	return codes.PermissionDenied
}
