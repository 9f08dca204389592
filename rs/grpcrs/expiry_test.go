package grpcrs_test

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs/grpcrs"
)

// echo answers every message until the stream ends.
func echo(s testpb.TestService_FullDuplexCallServer) error {
	for {
		if _, err := s.Recv(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if err := s.Send(&testpb.StreamingOutputCallResponse{}); err != nil {
			return err
		}
	}
}

// open starts a stream that the server echoes.
func open(t *testing.T, conn *grpc.ClientConn, token string) (send func() error, stream grpc.ClientStream) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	ctx = metadata.NewOutgoingContext(ctx, metadata.Pairs("authorization", "Bearer "+token, "echo", "1"))
	s, err := testpb.NewTestServiceClient(conn).FullDuplexCall(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return func() error {
		if err := s.Send(&testpb.StreamingOutputCallRequest{}); err != nil && err != io.EOF {
			return err
		}
		_, err := s.Recv()
		return err
	}, s
}

// TestStreamExpiry: a stream works while its token is valid, and ends when it expires, busy
// or idle. RS-23.
func TestStreamExpiry(t *testing.T) {
	s := optest.New(t)
	conn := plain(t, config(s))
	for _, busy := range []bool{true, false} {
		send, stream := openFor(t, s, conn)
		start := time.Now()
		var err error
		for err == nil {
			if busy {
				time.Sleep(10 * time.Millisecond)
				err = send()
			} else {
				err = stream.RecvMsg(&testpb.StreamingOutputCallResponse{})
			}
		}
		if status.Code(err) != codes.Unauthenticated || !strings.Contains(err.Error(), "expired") || time.Since(start) > 2*time.Minute {
			t.Errorf("busy %v: %v after %v", busy, err, time.Since(start))
		}
		if challenge := strings.Join(stream.Trailer().Get("www-authenticate"), ""); !strings.Contains(challenge, `error="invalid_token"`) {
			t.Errorf("busy %v: challenge %q", busy, challenge)
		}
	}
}

// openFor starts a stream with a token that expires in a few seconds. On a busy machine this time
// may be over before the first message; then the token lives longer.
func openFor(t *testing.T, s *optest.Server, conn *grpc.ClientConn) (send func() error, stream grpc.ClientStream) {
	t.Helper()
	for life := int64(3); ; life *= 2 {
		send, stream = open(t, conn, s.AccessToken(m{"exp": time.Now().Unix() + life}, nil))
		err := send()
		if err == nil {
			return send, stream
		}
		if life > 30 {
			t.Fatal(err)
		}
	}
}

// TestStreamKept: only the option keeps a stream open after its token has expired. A stream that
// ends normally ends as before.
func TestStreamKept(t *testing.T) {
	s := optest.New(t)
	c := config(s)
	c.InsecureKeepStreams = true
	send, _ := open(t, plain(t, c), s.AccessToken(m{"exp": time.Now().Unix() + 1}, nil))
	time.Sleep(1500 * time.Millisecond)
	if err := send(); err != nil {
		t.Error(err)
	}
	send, stream := open(t, plain(t, config(s)), s.AccessToken(nil, nil))
	if err := send(); err != nil {
		t.Error(err)
	}
	stream.CloseSend()
	if err := stream.RecvMsg(&testpb.StreamingOutputCallResponse{}); err != io.EOF {
		t.Error(err)
	}
}

// TestStreamPanic: the outer interceptors get a panic of a handler.
func TestStreamPanic(t *testing.T) {
	s := optest.New(t)
	api, err := grpcrs.New(config(s))
	if err != nil {
		t.Fatal(err)
	}
	ctx := metadata.NewIncomingContext(t.Context(), metadata.Pairs("authorization", "Bearer "+s.AccessToken(nil, nil)))
	defer func() {
		if recover() != "canary" {
			t.Error("the panic is lost")
		}
	}()
	api.Stream(nil, serverStream{ctx: ctx}, &grpc.StreamServerInfo{FullMethod: duplex}, func(any, grpc.ServerStream) error { panic("canary") })
}

type serverStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s serverStream) Context() context.Context { return s.ctx }
func (serverStream) SetTrailer(metadata.MD)     {}
