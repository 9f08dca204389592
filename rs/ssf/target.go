package ssf

import (
	"context"
	"fmt"
)

// target is what an event ends: a session, a user or a token.
type target struct {
	issuer, subject, session, token string
}

// allSessions is what Keycloak writes instead of a session ID when an administrator signs a
// user out.
const allSessions = "ALL"

// targets returns what the subject of e names. It returns none if this application does not
// know the subject.
func (r *Receiver) targets(ctx context.Context, e Event) ([]target, error) {
	if e.Subject.Format != Complex {
		return r.users(ctx, e, e.Subject)
	}
	users, err := r.users(ctx, e, e.Subject.Members["user"])
	if err != nil {
		return nil, err
	}
	session, ok := e.Subject.Members["session"]
	if !ok || len(users) > 0 && !e.aboutSession() {
		return users, nil
	}
	return r.sessions(session, users), nil
}

// aboutSession reports whether the event can be about one session. Events about an account or a
// credential concern all sessions of a user.
func (e Event) aboutSession() bool {
	switch e.Type {
	case SessionRevoked, TokenClaimsChange, AssuranceLevelChange, DeviceComplianceChange:
		return true
	}
	return false
}

// sessions narrows users down to one session. If the session cannot be read, it returns all
// sessions of the users that the event names. That may end too much, but never too little.
func (r *Receiver) sessions(session Subject, users []target) []target {
	t := target{issuer: r.Issuer}
	if len(users) > 0 {
		t.issuer, t.subject = users[0].issuer, users[0].subject
	}
	switch session.Format {
	case Opaque:
		t.session = session.ID
	case IssuerSub:
		t.issuer, t.session = session.Issuer, session.Sub
	case JWTID:
		return append(users, target{issuer: session.Issuer, token: session.TokenID})
	}
	if t.session == "" || t.session == allSessions {
		return users
	}
	return []target{t}
}

// users returns the users that a simple subject or aliases name.
func (r *Receiver) users(ctx context.Context, e Event, s Subject) ([]target, error) {
	switch s.Format {
	case IssuerSub:
		return []target{{issuer: s.Issuer, subject: s.Sub}}, nil
	case Opaque:
		return []target{{issuer: r.Issuer, subject: s.ID}}, nil
	case JWTID:
		return []target{{issuer: s.Issuer, token: s.TokenID}}, nil
	case Aliases:
		return r.aliases(ctx, e, s.Identifiers)
	case Email:
		return r.lookUp(ctx, e, s.Format, s.Email)
	case PhoneNumber:
		return r.lookUp(ctx, e, s.Format, s.PhoneNumber)
	case Account, DID, URI:
		return r.lookUp(ctx, e, s.Format, s.URI)
	}
	return nil, nil
}

func (r *Receiver) aliases(ctx context.Context, e Event, all []Subject) (out []target, err error) {
	for _, s := range all {
		some, err := r.users(ctx, e, s)
		if err != nil {
			return nil, err
		}
		out = append(out, some...)
	}
	return out, nil
}

func (r *Receiver) lookUp(ctx context.Context, e Event, format, value string) ([]target, error) {
	if r.Lookup == nil {
		return nil, nil
	}
	iss, sub, err := r.Lookup(ctx, format, value, e.Time)
	if err != nil {
		return nil, fmt.Errorf("Receiver.Lookup: %w", err)
	}
	if sub == "" {
		return nil, nil
	}
	return []target{{issuer: iss, subject: sub}}, nil
}
