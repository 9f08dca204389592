package rs

import (
	"bytes"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/countersign/countersign/internal/endpoint"
	"github.com/countersign/countersign/internal/jose"
)

// Limits of status lists.
const (
	maxStatusToken = 1 << 20 // bytes of a status list token
	maxStatusList  = 4 << 20 // bytes of a list, decompressed: 33 million tokens of one bit
	maxStatusLists = 32
	defaultTTL     = 5 * time.Minute
	minTTL         = 10 * time.Second
	maxTTL         = 24 * time.Hour
	statusRetry    = 5 * time.Second
)

const statusMediaType = "application/statuslist+jwt"

var statusKind = jose.Kind{"statuslist+jwt"}

// statusReference is the claim status.status_list of a token (Token Status List, draft-21
// §6.2).
type statusReference struct {
	uri   string
	index uint64
	err   error
}

// statusOf reads the claim status. A malformed one matters only if StatusLists are configured.
func statusOf(v jsontext.Value) *statusReference {
	var c struct {
		List *struct {
			Index *uint64 `json:"idx"`
			URI   string  `json:"uri"`
		} `json:"status_list"`
	}
	if err := jose.Decode(v, &c, jose.TokenLimits); err != nil {
		return &statusReference{err: fmt.Errorf("status: %w", err)}
	}
	switch {
	case c.List == nil:
		return nil // another mechanism, which this package does not support
	case c.List.Index == nil || c.List.URI == "":
		return &statusReference{err: errors.New("status.status_list must have idx and uri")}
	}
	return &statusReference{uri: c.List.URI, index: *c.List.Index}
}

// statusList is a decoded list.
type statusList struct {
	bits  uint // bits of one status: 1, 2, 4 or 8
	list  []byte
	fresh time.Time // until when it is used without a new fetch
	until time.Time // exp; zero if the list has none
}

// status returns the status at index, in the order of draft-21 §4.1.
func (l *statusList) status(index uint64) (byte, error) {
	each := uint64(8 / l.bits)
	if index/each >= uint64(len(l.list)) {
		return 0, fmt.Errorf("status.status_list.idx is %d, which is past the end of the list", index)
	}
	shift := uint(index%each) * l.bits
	return l.list[index/each] >> shift & (1<<l.bits - 1), nil
}

// statusClaims are the claims of a status list token, draft-21 §5.1.
type statusClaims struct {
	Subject  string           `json:"sub"`
	IssuedAt jose.NumericDate `json:"iat"`
	Expiry   jose.NumericDate `json:"exp"`
	TTL      jsontext.Value   `json:"ttl"`
	List     *struct {
		Bits uint   `json:"bits"`
		List string `json:"lst"`
	} `json:"status_list"`
}

var statusLimits = jose.Limits{Bytes: maxStatusToken, Depth: 8, Members: 100}

// parseStatus reads a status list token that was fetched from uri. It does not check the
// signature.
func parseStatus(t *jose.Token, uri string, now time.Time) (*statusList, error) {
	var c statusClaims
	if err := jose.Decode(t.Payload, &c, statusLimits); err != nil {
		return nil, err
	}
	switch {
	case c.Subject != uri:
		return nil, fmt.Errorf("sub is %s, expected the URI of the list", jose.Quote(c.Subject))
	case c.IssuedAt.IsZero() || c.IssuedAt.After(now.Add(maxSkew)):
		return nil, errors.New("iat is missing or in the future")
	case !c.Expiry.IsZero() && !now.Before(c.Expiry.Time):
		return nil, errors.New("the list has expired")
	case c.List == nil:
		return nil, errors.New("status_list is missing")
	case !slices.Contains([]uint{1, 2, 4, 8}, c.List.Bits):
		return nil, fmt.Errorf("status_list.bits is %d, expected 1, 2, 4 or 8", c.List.Bits)
	}
	list, err := inflate(c.List.List)
	if err != nil {
		return nil, err
	}
	ttl, err := statusTTL(c.TTL)
	return &statusList{bits: c.List.Bits, list: list, fresh: now.Add(ttl), until: c.Expiry.Time}, err
}

// statusTTL reads ttl: a positive number of seconds.
func statusTTL(v jsontext.Value) (time.Duration, error) {
	if v == nil {
		return defaultTTL, nil
	}
	var seconds float64
	if err := jose.Decode([]byte(`{"ttl":`+string(v)+`}`), &struct {
		TTL *float64 `json:"ttl"`
	}{&seconds}, statusLimits); err != nil || !(seconds > 0) {
		return 0, errors.New("ttl is not a positive number")
	}
	return min(max(time.Duration(min(seconds, 1e6)*float64(time.Second)), minTTL), maxTTL), nil
}

// inflate decompresses lst, RFC 1950. It has a limit, because a few bytes can decompress to
// gigabytes.
func inflate(lst string) ([]byte, error) {
	compressed, err := jose.DecodeBase64(lst)
	if err != nil {
		return nil, fmt.Errorf("status_list.lst: %w", err)
	}
	r, err := zlib.NewReader(bytes.NewReader(compressed))
	if err != nil {
		return nil, errors.New("status_list.lst is not in zlib format")
	}
	list, err := io.ReadAll(io.LimitReader(r, maxStatusList+1))
	switch {
	case len(list) > maxStatusList:
		return nil, fmt.Errorf("status_list.lst is too large, expected at most %d bytes", maxStatusList)
	case err != nil:
		return nil, errors.New("status_list.lst cannot be decompressed")
	case len(list) == 0:
		return nil, errors.New("status_list.lst is empty")
	}
	return list, nil
}

// fetch fetches a list and verifies it.
func (s *StatusLists) fetch(ctx context.Context, uri string) (*statusList, error) {
	resp, err := endpoint.Client{HTTP: s.HTTP}.Get(endpoint.For(ctx, s.Issuer), uri, statusMediaType, nil, maxStatusToken)
	switch {
	case err != nil:
		return nil, err
	case resp.Status != http.StatusOK:
		return nil, resp.Failure("cannot fetch the status list")
	case resp.MediaType != statusMediaType:
		return nil, resp.Refuse(errors.New("Content-Type is " + jose.Quote(resp.MediaType) + ", expected " + statusMediaType))
	}
	list, err := s.verify(ctx, string(resp.Body), uri)
	if err != nil {
		return nil, resp.Refuse(err)
	}
	return list, nil
}

func (s *StatusLists) verify(ctx context.Context, raw, uri string) (*statusList, error) {
	t, err := jose.ParseLarge(raw, maxStatusToken)
	if err != nil {
		return nil, err
	}
	if err := t.Header.CheckTyp(statusKind); err != nil {
		return nil, err
	}
	if err := t.Header.CheckAlg(s.algs()); err != nil {
		return nil, fmt.Errorf("%w: set StatusLists.Algs to the algorithm of the status lists", err)
	}
	if err := jose.VerifyWith(ctx, s.Keys, raw, t); err != nil {
		return nil, err
	}
	return parseStatus(t, uri, now(s.Now))
}
