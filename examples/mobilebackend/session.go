package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/countersign/countersign/client/tokens"
)

const lifetime = 12 * time.Hour

// session is who is signed in. An account is the pair of issuer and subject.
type session struct {
	Issuer  string    `json:"iss"`
	Subject string    `json:"sub"`
	Until   time.Time `json:"until"`
}

// sessions are stored by the hash of the app's token, so that a copy of the store cannot be used.
// redisstore has such a store for many machines.
type sessions struct {
	store tokens.Store
	now   func() time.Time
}

// begin returns a new token of 256 random bits.
func (s *sessions) begin(ctx context.Context, issuer, subject string) (token string, err error) {
	raw := make([]byte, 32)
	rand.Read(raw)
	token = base64.RawURLEncoding.EncodeToString(raw)
	until := s.now().Add(lifetime)
	value, err := json.Marshal(session{issuer, subject, until})
	if err != nil {
		return "", err
	}
	return token, s.store.Save(ctx, key(token), value, until)
}

// find returns nil if the token has no session, or the session has expired.
func (s *sessions) find(ctx context.Context, token string) (*session, error) {
	if token == "" {
		return nil, nil
	}
	value, err := s.store.Load(ctx, key(token))
	if value == nil || err != nil {
		return nil, err
	}
	found := &session{}
	if err := json.Unmarshal(value, found); err != nil || !s.now().Before(found.Until) {
		return nil, err
	}
	return found, nil
}

func (s *sessions) end(ctx context.Context, token string) error {
	return s.store.Delete(ctx, key(token))
}

func key(token string) string {
	sum := sha256.Sum256([]byte(token))
	return "app-session:" + base64.RawURLEncoding.EncodeToString(sum[:])
}
