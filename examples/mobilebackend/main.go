// Mobilebackend is the backend of a mobile app. The app begins the login, and sends the response
// to the backend. The backend exchanges the code, makes all checks, and returns its own token to
// the app.
//
//	go -C examples run ./mobilebackend    starts a server and the backend, acts as the app, and ends
//
// With another server it runs until you stop it:
//
//	ISSUER          the server: exactly the issuer of its metadata
//	CLIENT_ID       of the registration
//	REDIRECT_URI    of the app; com.example.app://callback if it is not set
//	LISTEN          where it listens; 127.0.0.1:8082 if it is not set
package main

import (
	"cmp"
	"context"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/login"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	issuer := os.Getenv("ISSUER")
	if issuer == "" {
		if err := demonstrate(ctx, os.Stdout); err != nil {
			log.Fatal(err)
		}
		return
	}
	b, err := newBackend(client.Config{
		Issuer: issuer, ClientID: os.Getenv("CLIENT_ID"), Auth: auth.Public(),
		RedirectURL: cmp.Or(os.Getenv("REDIRECT_URI"), "com.example.app://callback"),
	})
	if err != nil {
		log.Fatal(err)
	}
	l, err := net.Listen("tcp", cmp.Or(os.Getenv("LISTEN"), "127.0.0.1:8082"))
	if err != nil {
		log.Fatal(err)
	}
	server := serve(l, b.routes())
	log.Printf("POST http://%s/login/exchange", l.Addr())
	<-ctx.Done()
	server.Close()
}

func newBackend(config client.Config) (*backend, error) {
	c, err := client.New(config)
	if err != nil {
		return nil, err
	}
	return &backend{client: c, config: config, sessions: sessions{store: &login.Memory{}, now: time.Now}, log: slog.Default()}, nil
}

func serve(l net.Listener, h http.Handler) *http.Server {
	server := &http.Server{
		Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
	}
	go server.Serve(l)
	return server
}
