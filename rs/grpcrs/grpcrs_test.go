package grpcrs_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
	"github.com/countersign/countersign/rs/grpcrs"
)

type m = map[string]any

const (
	emptyCall = "/grpc.testing.TestService/EmptyCall"
	unaryCall = "/grpc.testing.TestService/UnaryCall"
	duplex    = "/grpc.testing.TestService/FullDuplexCall"
	output    = "/grpc.testing.TestService/StreamingOutputCall"
)

// service answers with the caller.
type service struct {
	testpb.UnimplementedTestServiceServer
}

func caller(ctx context.Context) metadata.MD {
	who, ok := rs.FromContext(ctx)
	if !ok {
		return metadata.Pairs("caller", "nobody")
	}
	return metadata.Pairs("caller", who.Subject)
}

func (service) EmptyCall(ctx context.Context, _ *testpb.Empty) (*testpb.Empty, error) {
	return &testpb.Empty{}, grpc.SetHeader(ctx, caller(ctx))
}

func (service) UnaryCall(ctx context.Context, _ *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
	return &testpb.SimpleResponse{}, grpc.SetHeader(ctx, caller(ctx))
}

func (service) FullDuplexCall(s testpb.TestService_FullDuplexCallServer) error {
	if err := s.SendHeader(caller(s.Context())); err != nil {
		return err
	}
	if md, _ := metadata.FromIncomingContext(s.Context()); len(md.Get("echo")) > 0 {
		return echo(s)
	}
	return nil
}

func (service) StreamingOutputCall(_ *testpb.StreamingOutputCallRequest, s testpb.TestService_StreamingOutputCallServer) error {
	return s.SendHeader(caller(s.Context()))
}

func protection(s *optest.Server) *rs.Protection {
	p := &discovery.Provider{Issuer: s.URL}
	return &rs.Protection{
		Tokens: &rs.JWT{Issuer: s.URL, Audience: optest.Audience, Keys: p.Keys()},
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
}

func config(s *optest.Server) grpcrs.Config {
	return grpcrs.Config{Protection: protection(s), Methods: map[string]grpcrs.Guard{
		emptyCall: rs.RequireScope("photos.read"), duplex: rs.RequireScope("photos.read"), unaryCall: rs.RequireACR("urn:gold"),
	}}
}

// serve starts a server on loopback, and returns a connection to it.
func serve(t *testing.T, c grpcrs.Config, server, client credentials.TransportCredentials) *grpc.ClientConn {
	t.Helper()
	api, err := grpcrs.New(c)
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(grpc.UnaryInterceptor(api.Unary), grpc.StreamInterceptor(api.Stream), grpc.Creds(server))
	testpb.RegisterTestServiceServer(s, service{})
	healthpb.RegisterHealthServer(s, health.NewServer())
	reflection.Register(s)
	if err := api.Check(s.GetServiceInfo()); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go s.Serve(l)
	t.Cleanup(s.Stop)
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(client))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func plain(t *testing.T, c grpcrs.Config) *grpc.ClientConn {
	return serve(t, c, insecure.NewCredentials(), insecure.NewCredentials())
}

// result is a client's view of a call.
type result struct {
	code      codes.Code
	message   string
	challenge string
	caller    string
}

func resultOf(err error, header, trailer metadata.MD) result {
	first := func(md metadata.MD, key string) string { return strings.Join(md.Get(key), " | ") }
	return result{status.Code(err), status.Convert(err).Message(), first(trailer, "www-authenticate"), first(header, "caller")}
}

func withTokens(t *testing.T, values ...string) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return metadata.NewOutgoingContext(ctx, metadata.MD{"authorization": values})
}

func unary(ctx context.Context, conn *grpc.ClientConn, method string) result {
	var header, trailer metadata.MD
	err := conn.Invoke(ctx, method, &testpb.Empty{}, &testpb.Empty{}, grpc.Header(&header), grpc.Trailer(&trailer))
	return resultOf(err, header, trailer)
}

func streaming(ctx context.Context, conn *grpc.ClientConn, method string) result {
	s, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method)
	if err != nil {
		return resultOf(err, nil, nil)
	}
	if err := s.SendMsg(&testpb.Empty{}); err != nil && !errors.Is(err, io.EOF) {
		return resultOf(err, nil, nil)
	}
	s.CloseSend()
	err = s.RecvMsg(&testpb.Empty{})
	header, _ := s.Header()
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return resultOf(err, header, s.Trailer())
}

const (
	none       = `Bearer`
	invalid    = `Bearer error="invalid_token", error_description="the access token is not valid here"`
	malformed  = `Bearer error="invalid_request", error_description="the Authorization header is malformed"`
	twice      = `Bearer error="invalid_request", error_description="the request has more than one Authorization header, expected one"`
	noScope    = `Bearer error="insufficient_scope", error_description="the access token lacks a scope: required photos.read, granted photos", scope="photos.read"`
	notGold    = `Bearer error="insufficient_user_authentication", error_description="the user must authenticate again or with another method", acr_values="urn:gold"`
	unavailing = "the access token cannot be checked now"
)

// TestCalls: unary calls and streams are accepted and rejected in the same way. RS-01, RS-03,
// RS-09, RS-17.
func TestCalls(t *testing.T) {
	s := optest.New(t)
	conn := plain(t, config(s))
	good, bound := s.AccessToken(nil, nil), s.AccessToken(m{"cnf": m{"jkt": strings.Repeat("A", 43)}}, nil)
	for _, test := range []struct {
		name   string
		values []string
		want   result
	}{
		{"good", []string{"Bearer " + good}, result{codes.OK, "", "", "alice"}},
		{"the scheme in another case", []string{"bEARER " + good}, result{codes.OK, "", "", "alice"}},
		{"no token", nil, result{codes.Unauthenticated, "an access token is required", none, ""}},
		{"another scheme", []string{"Basic " + good}, result{codes.Unauthenticated, "an access token is required", none, ""}},
		{"two values", []string{"Bearer " + good, "Bearer " + good}, result{codes.Unauthenticated, "the request has more than one Authorization header, expected one", twice, ""}},
		{"malformed", []string{"Bearer a b"}, result{codes.Unauthenticated, "the Authorization header is malformed", malformed, ""}},
		{"empty", []string{""}, result{codes.Unauthenticated, "an access token is required", none, ""}},
		{"expired", []string{"Bearer " + s.AccessToken(m{"exp": 1}, nil)}, result{codes.Unauthenticated, "the access token is not valid here", invalid, ""}},
		{"for another API", []string{"Bearer " + s.AccessToken(m{"aud": "x"}, nil)}, result{codes.Unauthenticated, "the access token is not valid here", invalid, ""}},
		{"without the scope", []string{"Bearer " + s.AccessToken(m{"scope": "photos"}, nil)}, result{codes.PermissionDenied, "the access token lacks a scope: required photos.read, granted photos", noScope, ""}},
		{"bound by DPoP, as Bearer", []string{"Bearer " + bound}, result{codes.Unauthenticated, "the access token is not valid here", invalid, ""}},
		{"bound by DPoP, as DPoP", []string{"DPoP " + bound}, result{codes.Unauthenticated, "an access token is required", none, ""}},
		{"bound to a certificate, without TLS", []string{"Bearer " + s.AccessToken(m{"cnf": m{"x5t#S256": strings.Repeat("A", 43)}}, nil)}, result{codes.Unauthenticated, "the access token is not valid here", invalid, ""}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := unary(withTokens(t, test.values...), conn, emptyCall); got != test.want {
				t.Errorf("unary: %+v", got)
			}
			if got := streaming(withTokens(t, test.values...), conn, duplex); got != test.want {
				t.Errorf("stream: %+v", got)
			}
		})
	}
	if got := unary(withTokens(t, "Bearer "+good), conn, unaryCall); got != (result{codes.Unauthenticated, "the user must authenticate again or with another method", notGold, ""}) {
		t.Errorf("step-up: %+v", got)
	}
}

// TestDPoPElsewhere: a token with DPoP is rejected over gRPC, with a proof and without, even if
// the Protection accepts it over HTTP.
func TestDPoPElsewhere(t *testing.T) {
	s := optest.New(t)
	c := config(s)
	c.Protection.DPoP = &rs.DPoP{BaseURL: "https://api.example"}
	conn := plain(t, c)
	bound := s.AccessToken(m{"cnf": m{"jkt": strings.Repeat("A", 43)}}, nil)
	for _, scheme := range []string{"Bearer ", "DPoP "} {
		ctx := metadata.AppendToOutgoingContext(withTokens(t, scheme+bound), "dpop", "x.y.z")
		if got := unary(ctx, conn, emptyCall); got.code != codes.Unauthenticated {
			t.Errorf("%s: %+v", scheme, got)
		}
	}
	if got := unary(withTokens(t, "Bearer "+s.AccessToken(nil, nil)), conn, emptyCall); got.code != codes.OK {
		t.Errorf("an unbound token: %+v", got)
	}
}

// TestUnlisted: a method that is in no list needs a token, also health and reflection.
func TestUnlisted(t *testing.T) {
	s := optest.New(t)
	c := config(s)
	conn := plain(t, c)
	free := s.AccessToken(m{"scope": ""}, nil)
	unlisted := map[string]func(context.Context, *grpc.ClientConn, string) result{
		healthpb.Health_Check_FullMethodName: unary, healthpb.Health_Watch_FullMethodName: streaming,
		reflectionpb.ServerReflection_ServerReflectionInfo_FullMethodName: streaming, output: streaming,
	}
	for method, call := range unlisted {
		if got := call(withTokens(t), conn, method); got.code != codes.Unauthenticated {
			t.Errorf("%s: %+v", method, got)
		}
	}
	if got := unary(withTokens(t, "Bearer "+free), conn, healthpb.Health_Check_FullMethodName); got.code != codes.OK {
		t.Errorf("with a token: %+v", got)
	}
	c.Public = []string{healthpb.Health_Check_FullMethodName}
	c.Default = rs.RequireAnyScope()
	conn = plain(t, c)
	if got := unary(withTokens(t), conn, healthpb.Health_Check_FullMethodName); got.code != codes.OK {
		t.Errorf("public: %+v", got)
	}
	if got := streaming(withTokens(t), conn, healthpb.Health_Watch_FullMethodName); got.code != codes.Unauthenticated {
		t.Errorf("the method beside it: %+v", got)
	}
	if got := streaming(withTokens(t, "Bearer "+free), conn, output); got.code != codes.PermissionDenied {
		t.Errorf("closed by default: %+v", got)
	}
}

// TestOptional: guards reject a call without a token that Protection.Optional accepts.
func TestOptional(t *testing.T) {
	s := optest.New(t)
	c := config(s)
	c.Protection.Optional = true
	conn := plain(t, c)
	if got := streaming(withTokens(t), conn, output); got != (result{codes.OK, "", "", "nobody"}) {
		t.Errorf("no token: %+v", got)
	}
	if got := unary(withTokens(t), conn, emptyCall); got.code != codes.Unauthenticated {
		t.Errorf("no token, guarded: %+v", got)
	}
	if got := streaming(withTokens(t, "Bearer x"), conn, output); got.code != codes.Unauthenticated {
		t.Errorf("a bad token: %+v", got)
	}
}

// TestUnavailable: a call whose token cannot be checked is rejected with Unavailable.
func TestUnavailable(t *testing.T) {
	s := optest.New(t)
	conn := plain(t, config(s))
	token := s.AccessToken(nil, nil)
	s.Replace("/jwks", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "canary", 500) })
	want := result{codes.Unavailable, unavailing, "", ""}
	if got := unary(withTokens(t, "Bearer "+token), conn, emptyCall); got != want {
		t.Errorf("unary: %+v", got)
	}
	if got := streaming(withTokens(t, "Bearer "+token), conn, duplex); got != want {
		t.Errorf("stream: %+v", got)
	}
}

// TestMethodNames: a name without its first slash, as in some versions of grpc, is the same
// method.
func TestMethodNames(t *testing.T) {
	s := optest.New(t)
	api, err := grpcrs.New(config(s))
	if err != nil {
		t.Fatal(err)
	}
	ctx := metadata.NewIncomingContext(t.Context(), metadata.Pairs("authorization", "Bearer "+s.AccessToken(m{"scope": ""}, nil)))
	for _, name := range []string{emptyCall, emptyCall[1:]} {
		_, err := api.Unary(ctx, nil, &grpc.UnaryServerInfo{FullMethod: name}, func(context.Context, any) (any, error) { return nil, nil })
		if status.Code(err) != codes.PermissionDenied {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestForeignGuards: any middleware can be a guard. A call that it does not pass on is rejected.
func TestForeignGuards(t *testing.T) {
	s := optest.New(t)
	c := config(s)
	mine := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != emptyCall {
				http.Error(w, "canary", 500)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
	broken := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r)
			rs.Require(func(*http.Request, *rs.Principal) error { return errors.New("canary") })(next).ServeHTTP(w, r)
		})
	}
	c.Methods = map[string]grpcrs.Guard{emptyCall: mine, unaryCall: mine, output: broken, duplex: rs.Require(func(*http.Request, *rs.Principal) error {
		return &rs.Error{Status: 418, Description: "tea", Err: errors.New("canary")}
	})}
	conn := plain(t, c)
	ctx := withTokens(t, "Bearer "+s.AccessToken(nil, nil))
	for method, want := range map[string]result{
		emptyCall: {codes.OK, "", "", "alice"}, unaryCall: {codes.PermissionDenied, "the call is not allowed", "", ""},
	} {
		if got := unary(ctx, conn, method); got != want {
			t.Errorf("%s: %+v", method, got)
		}
	}
	if got := streaming(ctx, conn, output); got.code != codes.PermissionDenied {
		t.Errorf("said yes, then no: %+v", got)
	}
	if got := streaming(ctx, conn, duplex); got != (result{codes.PermissionDenied, "tea", "Bearer", ""}) {
		t.Errorf("an error of its own: %+v", got)
	}
}

// TestNew: an empty or misspelt setting is rejected, and the error contains its name.
func TestNew(t *testing.T) {
	s := optest.New(t)
	required := protection(s)
	required.DPoP = &rs.DPoP{BaseURL: "https://api.example", Required: true}
	renamed := protection(s)
	renamed.TokenHeader = "X-Token"
	guard := rs.RequireScope("x")
	for name, c := range map[string]grpcrs.Config{
		"nothing":             {},
		"no tokens":           {Protection: &rs.Protection{}},
		"DPoP required":       {Protection: required},
		"another header":      {Protection: renamed},
		"a nil guard":         {Protection: protection(s), Methods: map[string]grpcrs.Guard{emptyCall: nil}},
		"no slash":            {Protection: protection(s), Methods: map[string]grpcrs.Guard{emptyCall[1:]: guard}},
		"a service":           {Protection: protection(s), Methods: map[string]grpcrs.Guard{"/grpc.testing.TestService": guard}},
		"a pattern":           {Protection: protection(s), Methods: map[string]grpcrs.Guard{"/grpc.testing.TestService/*": guard}},
		"an empty name":       {Protection: protection(s), Methods: map[string]grpcrs.Guard{"": guard}},
		"public, misspelt":    {Protection: protection(s), Public: []string{"grpc.health.v1.Health/Check"}},
		"public and guarded":  {Protection: protection(s), Public: []string{emptyCall}, Methods: map[string]grpcrs.Guard{emptyCall: guard}},
		"a path of three":     {Protection: protection(s), Public: []string{"/a/b/c"}},
		"an empty service":    {Protection: protection(s), Public: []string{"//c"}},
		"nothing behind it /": {Protection: protection(s), Public: []string{"/a/"}},
	} {
		if _, err := grpcrs.New(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	_, err := new(grpcrs.Interceptors).Unary(t.Context(), nil, &grpc.UnaryServerInfo{FullMethod: emptyCall}, func(context.Context, any) (any, error) {
		t.Error("what New did not make lets a call through")
		return nil, nil
	})
	if status.Code(err) != codes.Unavailable {
		t.Errorf("what New did not make: %v", err)
	}
	c := config(s)
	c.Methods = maps.Clone(c.Methods)
	c.Methods["/grpc.testing.TestService/EmptyCal"] = guard
	api, err := grpcrs.New(c)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	testpb.RegisterTestServiceServer(server, service{})
	if err := api.Check(server.GetServiceInfo()); err == nil || !strings.HasSuffix(err.Error(), "does not have: /grpc.testing.TestService/EmptyCal") {
		t.Errorf("a misspelt method: %v", err)
	}
}
