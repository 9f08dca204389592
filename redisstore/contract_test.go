package redisstore_test

import (
	"testing"

	"github.com/countersign/countersign/client/login/storetest"
	"github.com/countersign/countersign/internal/redistest"
)

// TestContract: the suite that every store must pass.
func TestContract(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	storetest.Run(t, func(t *testing.T) any { return open(t, server, nil) })
}
