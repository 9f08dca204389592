package issuertest

import "github.com/countersign/countersign/internal/redact"

// output keeps the secrets of tests out of their logs as well.
type output[T any] = redact.Output[T]
