package rs

import (
	"errors"
	"log/slog"
	"net/http"

	"github.com/countersign/countersign/internal/jose"
)

// maxLogged limits each part of the request in a log line, in bytes.
const maxLogged = 200

// log logs a rejected request. It logs client and subject only of a verified token: an
// unverified one may claim anything.
func (p *Protection) log(r *http.Request, e *Error) {
	attrs := []slog.Attr{
		slog.Int("status", e.Status), slog.String("error", e.Code), slog.String("reason", e.Error()),
		slog.String("method", logged(r.Method)), slog.String("path", logged(r.URL.Path)),
	}
	if e.who != nil {
		attrs = append(attrs, slog.String("client", logged(e.who.ClientID)), slog.String("subject", logged(e.who.Subject)))
	}
	p.logger().LogAttrs(r.Context(), level(r, e), "request rejected", attrs...)
}

// level is INFO for faults of the client and ERROR for the API's own problems: its
// configuration, its routes, the server, a store. A flood of unknown tokens is WARN.
func level(r *http.Request, e *Error) slog.Level {
	switch {
	case errors.Is(e.Err, errMaxCalls):
		return slog.LevelWarn
	case errors.As(e.Err, new(operatorFault)):
		return slog.LevelError
	case e.Status < http.StatusInternalServerError || r.Context().Err() != nil: // the client has disconnected
		return slog.LevelInfo
	}
	return slog.LevelError
}

// operatorFault is the reason of a rejection with a status below 500 that only the operator can
// correct.
type operatorFault struct{ error }

// logged quotes unusual text and truncates long text.
func logged(s string) string {
	if len(s) <= maxLogged {
		return clean(s)
	}
	return jose.Quote(s[:maxLogged])
}

func (p *Protection) logger() *slog.Logger {
	if p.Logger != nil {
		return p.Logger
	}
	return slog.Default()
}
