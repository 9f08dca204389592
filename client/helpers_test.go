package client_test

import (
	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/internal/optest"
)

// daemon is the client that the fake server knows, which signs nobody in.
func daemon(s *optest.Server) client.Config {
	cfg := config(s)
	cfg.RedirectURL = ""
	return cfg
}
