package issuertest

import "github.com/countersign/countersign/internal/redact"

// output keeps secrets in test values out of logs.
type output[T any] = redact.Output[T]
