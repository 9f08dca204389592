package client

import "github.com/countersign/countersign/internal/redact"

// A struct that holds secrets embeds one of these: see package redact.
type (
	hidden[T any]    = redact.All[T]    // printed and encoded without fields
	unprinted[T any] = redact.Output[T] // printed without fields; stored as JSON
)
