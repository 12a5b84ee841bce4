package account

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Times of a key set.
const (
	keyRefresh = 5 * time.Second // least time between two fetches, whoever asks for unknown keys
	keyStale   = 24 * time.Hour  // how long keys are used when the issuer is away
	minRSA     = 2048            // bits (RFC 7518 section 3.3)
	maxRSA     = 8192
)

// keySet is an issuer's keys (RFC 7517), fetched when they are old, or when a
// token names one that is not there: the issuer has a new one.
type keySet struct {
	url    string
	client *http.Client
	ttl    time.Duration

	fetching chan struct{} // one at a time
	mu       sync.Mutex
	keys     []jose.JSONWebKey
	fetched  time.Time // when keys came
	tried    time.Time // when a fetch last began
}

func newKeySet(url string, client *http.Client, ttl time.Duration) *keySet {
	return &keySet{url: url, client: client, ttl: ttl, fetching: make(chan struct{}, 1)}
}

// find returns the keys that may have signed a token. The error wraps
// ErrCredentials where there is none, ErrTemporary where the issuer is away.
func (s *keySet) find(ctx context.Context, kid, algorithm string) ([]jose.JSONWebKey, error) {
	found, fresh := s.look(kid, algorithm)
	if len(found) > 0 && fresh {
		return found, nil
	}
	err := s.refresh(ctx, time.Now(), len(found) == 0)
	if now, _ := s.look(kid, algorithm); len(now) > 0 {
		return now, nil
	}
	if err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("%w: the issuer has no key %.40q for %.10q", ErrCredentials, kid, algorithm)
}

// look finds keys among those that are here. fresh: they are not old.
func (s *keySet) look(kid, algorithm string) (found []jose.JSONWebKey, fresh bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	age := time.Since(s.fetched)
	if age > keyStale {
		return nil, false
	}
	for _, k := range s.keys {
		if (kid == "" || k.KeyID == kid) && fits(&k, algorithm) {
			found = append(found, k)
		}
	}
	return found, age < s.ttl
}

// fits tells whether a key is for signatures of an algorithm: its own, where
// it names one, and its type's.
func fits(k *jose.JSONWebKey, algorithm string) bool {
	if k.Use != "" && k.Use != "sig" || k.Algorithm != "" && k.Algorithm != algorithm || len(algorithm) < 2 {
		return false
	}
	switch key := k.Key.(type) {
	case *rsa.PublicKey:
		bits := key.N.BitLen()
		return (algorithm[:2] == "RS" || algorithm[:2] == "PS") && bits >= minRSA && bits <= maxRSA
	case *ecdsa.PublicKey:
		return algorithm[:2] == "ES"
	case ed25519.PublicKey:
		return algorithm == "EdDSA"
	}
	return false // a private or a symmetric key has nothing to look for here
}

// refresh fetches the keys, unless somebody else did since asked, or just
// before: then a token with an unknown key waits until they may be fetched again,
// since the issuer may have made it a moment ago.
func (s *keySet) refresh(ctx context.Context, asked time.Time, unknown bool) error {
	select {
	case s.fetching <- struct{}{}:
		defer func() { <-s.fetching }()
	case <-ctx.Done():
		return ctx.Err()
	}
	s.mu.Lock()
	away, tried := s.fetched.Before(s.tried), s.tried
	s.mu.Unlock()
	wait := keyRefresh - time.Since(tried)
	switch done := tried.After(asked); {
	case away && (done || wait > 0):
		return fmt.Errorf("%w: the issuer's keys could not be fetched", ErrTemporary)
	case done || wait > 0 && !unknown:
		return nil
	case wait > 0:
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.mu.Lock()
	s.tried = time.Now()
	s.mu.Unlock()
	keys, err := s.fetch(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys, s.fetched = keys, time.Now()
	return nil
}

func (s *keySet) fetch(ctx context.Context) ([]jose.JSONWebKey, error) {
	// One client's going away must not keep the keys from others.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), max(s.client.Timeout, time.Second))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTemporary, err)
	}
	b, err := fetch(ctx, s.client, req)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	keys, err := parseKeys(b)
	if err != nil {
		return nil, fmt.Errorf("%w: keys: %w", ErrTemporary, err)
	}
	return keys, nil
}

// parseKeys reads a key set; keys of unknown kinds are left out (RFC 7517
// section 5).
func parseKeys(b []byte) ([]jose.JSONWebKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(b, &set); err != nil {
		return nil, err
	}
	var keys []jose.JSONWebKey
	for _, raw := range set.Keys[:min(len(set.Keys), maxKeys)] {
		var k jose.JSONWebKey
		if k.UnmarshalJSON(raw) == nil && k.IsPublic() {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("there is none")
	}
	return keys, nil
}
