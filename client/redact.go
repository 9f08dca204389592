package client

import "github.com/countersign/countersign/internal/redact"

// A struct that holds secrets embeds this: see package redact.
type unprinted[T any] = redact.Output[T] // printed without fields; stored as JSON
