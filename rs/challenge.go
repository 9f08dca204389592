package rs

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// challenges returns the values of WWW-Authenticate, one for each accepted scheme (RFC 6750 §3,
// RFC 9449 §7.1). The error is in the challenge of the scheme that the request used (§7.2).
// quote removes every character that could end a quoted value.
func (p *Protection) challenges(e *Error) []string {
	if p.DPoP == nil {
		return []string{p.challenge("Bearer", e, true)}
	}
	if p.DPoP.Required {
		return []string{p.challenge("DPoP", e, true)}
	}
	return []string{p.challenge("Bearer", e, !e.dpop), p.challenge("DPoP", e, e.dpop)}
}

// challenge returns the challenge of one scheme. used means that the request used this scheme.
func (p *Protection) challenge(scheme string, e *Error, used bool) string {
	var params parameters
	params.add("realm", p.Realm)
	if used {
		params.addError(e)
	}
	if scheme == "DPoP" {
		params.add("algs", strings.Join(p.DPoP.algs(), " "))
	}
	if e.Scope == "" && e.Status == http.StatusUnauthorized {
		params.add("scope", strings.Join(p.Scopes, " ")) // RFC 6750 §3
	}
	params.add("resource_metadata", p.ResourceMetadata) // RFC 9728 §5.1
	if len(params) == 0 {
		return scheme
	}
	return scheme + " " + strings.Join(params, ", ")
}

type parameters []string

func (p *parameters) add(name, value string) {
	if value != "" {
		*p = append(*p, name+`="`+quote(value)+`"`)
	}
}

func (p *parameters) addError(e *Error) {
	p.add("error", e.Code)
	if e.Code != "" {
		p.add("error_description", e.Description)
	}
	p.add("scope", e.Scope)
	p.add("acr_values", e.ACRValues) // RFC 9470 §3
	if e.MaxAge != nil {
		p.add("max_age", strconv.FormatInt(int64(*e.MaxAge/time.Second), 10))
	}
}

// quote removes the characters that RFC 6750 §3 does not allow in a value.
func quote(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e || r == '"' || r == '\\' {
			return -1
		}
		return r
	}, s)
}

// answer writes the response with the parts of e that the client may see.
func (p *Protection) answer(w http.ResponseWriter, r *http.Request, e *Error) {
	h := w.Header()
	switch e.Status {
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		h.Set("Retry-After", e.retryAfter())
	default:
		h["Www-Authenticate"] = p.challenges(e)
	}
	if e.nonce != "" {
		h.Set("DPoP-Nonce", e.nonce)
	}
	h.Set("Cache-Control", "no-store")
	if p.Deny != nil {
		p.Deny(w, r, e)
		return
	}
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(e.Status)
	json.NewEncoder(w).Encode(e.body())
}

// retryAfter returns whole seconds, rounded up (RFC 9110 §10.2.3).
func (e *Error) retryAfter() string {
	wait := 5 * time.Second
	if e.RetryAfter > 0 {
		wait = e.RetryAfter
	}
	return strconv.FormatInt(int64((wait-1)/time.Second)+1, 10)
}

// body returns the JSON body, which repeats the parameters of the challenge.
func (e *Error) body() map[string]string {
	body := map[string]string{}
	for name, value := range map[string]string{
		"error": e.Code, "error_description": e.Description, "scope": e.Scope, "acr_values": e.ACRValues,
	} {
		if value != "" {
			body[name] = value
		}
	}
	return body
}
