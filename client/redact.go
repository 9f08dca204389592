package client

import "github.com/countersign/countersign/internal/redact"

// A struct that holds secrets embeds one of these: see package redact.
type (
	hidden[T any]    = redact.All[T]    // printed without fields; not encoded
	unprinted[T any] = redact.Output[T] // printed without fields; stored as JSON
)
