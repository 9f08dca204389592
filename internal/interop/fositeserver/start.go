package fositeserver

import (
	"net"
	"net/http"
	"time"
)

// Start runs a server on a free port of loopback until stop is called. The address is its
// Issuer.
func Start(config Config) (issuer string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	config.Issuer = "http://" + l.Addr().String()
	handler, err := New(config)
	if err != nil {
		l.Close()
		return "", nil, err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	go server.Serve(l)
	return config.Issuer, func() { server.Close() }, nil
}
