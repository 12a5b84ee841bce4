package account

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// Bounds of what OAuth servers answer.
const (
	maxOAuthAnswer = 1 << 20 // octets
	maxKeys        = 100     // of a key set
	maxTokens      = 4 << 10 // introspected ones that are remembered
)

// jwtAlgorithms are those that JWTs may be signed with: asymmetric ones, so
// that nobody takes a public key for a secret.
var jwtAlgorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

// oauth checks access tokens. A nil one takes none.
type oauth struct {
	opt        OAuth
	algorithms []jose.SignatureAlgorithm
	client     *http.Client
	keys       *keySet // nil: introspection

	key    [32]byte
	mu     sync.Mutex
	tokens *lru[[keySize]byte, tokenAnswer]
}

// tokenAnswer is a remembered introspection.
type tokenAnswer struct {
	user  string
	until time.Time
}

func newOAuth(opt *OAuth) (*oauth, error) {
	if opt == nil {
		return nil, nil
	}
	if err := opt.Validate(); err != nil {
		return nil, fmt.Errorf("account: oauth: %w", err)
	}
	o := &oauth{opt: opt.filled(), tokens: newLRU[[keySize]byte, tokenAnswer](maxTokens)}
	rand.Read(o.key[:])
	o.client = &http.Client{
		Timeout: o.opt.Timeout,
		// Elsewhere than configured nothing is believed, nor told a secret.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	for _, a := range o.opt.Algorithms {
		o.algorithms = append(o.algorithms, jose.SignatureAlgorithm(a))
	}
	if opt.JWKS != "" {
		o.keys = newKeySet(opt.JWKS, o.client, o.opt.Remember)
	}
	return o, nil
}

// user returns whose a token is, as the issuer names it. The error wraps
// ErrCredentials or ErrTemporary.
func (o *oauth) user(ctx context.Context, token string) (string, error) {
	if token == "" {
		return "", fmt.Errorf("%w: no token", ErrCredentials)
	}
	if o.keys != nil {
		return o.verify(ctx, token)
	}
	id := macOf(o.key[:], token)
	o.mu.Lock()
	x, ok := o.tokens.get(id)
	o.mu.Unlock()
	if ok && time.Now().Before(x.until) {
		return x.user, nil
	}
	c, err := o.introspect(ctx, token)
	if err != nil {
		return "", err
	}
	user, err := o.check(c)
	if err == nil && o.opt.Remember > 0 && c.exp != nil {
		until := time.Now().Add(o.opt.Remember)
		if e := c.exp.Time(); e.Before(until) {
			until = e
		}
		o.mu.Lock()
		o.tokens.put(id, tokenAnswer{user, until})
		o.mu.Unlock()
	}
	return user, err
}

// claims are what a token says.
type claims struct {
	jwt.Claims
	scope string
	user  string
	exp   *jwt.NumericDate
}

// claimsOf takes those that matter beside the registered ones.
func (o *oauth) claimsOf(all map[string]any, registered jwt.Claims) *claims {
	c := &claims{Claims: registered, exp: registered.Expiry}
	c.user, _ = all[o.opt.Claim].(string)
	c.scope = scopes(all["scope"]) + " " + scopes(all["scp"]) // Microsoft and Okta say scp
	if v, ok := all["email_verified"]; ok && o.opt.Claim == "email" && v != true && v != "true" {
		c.user = "" // anybody can claim an address
	}
	return c
}

// scopes joins a list, which some issuers write, to what others do.
func scopes(v any) string {
	switch s := v.(type) {
	case string:
		return s
	case []any:
		var list []string
		for _, x := range s {
			if t, ok := x.(string); ok {
				list = append(list, t)
			}
		}
		return strings.Join(list, " ")
	}
	return ""
}

// check decides whether a token is for us.
func (o *oauth) check(c *claims) (string, error) {
	expected := jwt.Expected{Issuer: o.opt.Issuer, AnyAudience: o.opt.Audience}
	if o.keys == nil && c.Issuer == "" { // an introspection need not say it (RFC 7662 section 2.2)
		expected.Issuer = ""
	}
	if err := c.ValidateWithLeeway(expected, o.opt.Leeway); err != nil {
		return "", fmt.Errorf("%w: %w", ErrCredentials, err)
	}
	if o.opt.Scope != "" && !slices.Contains(strings.Fields(c.scope), o.opt.Scope) {
		return "", fmt.Errorf("%w: the token has not the scope %s", ErrCredentials, o.opt.Scope)
	}
	if c.user == "" {
		return "", fmt.Errorf("%w: the token has no claim %s, or it is not verified", ErrCredentials, o.opt.Claim)
	}
	return c.user, nil
}

// verify checks a JWT.
func (o *oauth) verify(ctx context.Context, token string) (string, error) {
	t, err := jwt.ParseSigned(token, o.algorithms)
	if err != nil || len(t.Headers) != 1 {
		return "", fmt.Errorf("%w: no JWT of an allowed algorithm", ErrCredentials)
	}
	h := t.Headers[0]
	keys, err := o.keys.find(ctx, h.KeyID, h.Algorithm)
	if err != nil {
		return "", err
	}
	for _, k := range keys {
		var registered jwt.Claims
		var all map[string]any
		if err := t.Claims(k.Key, &registered, &all); err != nil {
			continue
		}
		if registered.Expiry == nil {
			return "", fmt.Errorf("%w: the token never expires", ErrCredentials)
		}
		return o.check(o.claimsOf(all, registered))
	}
	return "", fmt.Errorf("%w: no key of the issuer's has signed the token", ErrCredentials)
}

// introspect asks the issuer about a token (RFC 7662).
func (o *oauth) introspect(ctx context.Context, token string) (*claims, error) {
	body := url.Values{"token": {token}, "token_type_hint": {"access_token"}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, o.opt.Introspection, strings.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%w: introspection: %w", ErrTemporary, err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	if o.opt.ClientID != "" { // RFC 6749 section 2.3.1
		req.SetBasicAuth(url.QueryEscape(o.opt.ClientID), url.QueryEscape(o.opt.ClientSecret))
	}
	b, err := fetch(ctx, o.client, req)
	if err != nil {
		return nil, err
	}
	var all map[string]any
	var registered jwt.Claims
	if json.Unmarshal(b, &all) != nil || json.Unmarshal(b, &registered) != nil {
		return nil, fmt.Errorf("%w: introspection: the answer is not JSON", ErrTemporary)
	}
	if all["active"] != true {
		return nil, fmt.Errorf("%w: the token is not active", ErrCredentials)
	}
	return o.claimsOf(all, registered), nil
}

// fetch does a request and returns the answer, which must be 200. The error
// wraps ErrTemporary or is ctx's.
func fetch(ctx context.Context, client *http.Client, req *http.Request) ([]byte, error) {
	res, err := client.Do(req)
	if err == nil {
		defer res.Body.Close()
		var b []byte
		b, err = io.ReadAll(io.LimitReader(res.Body, maxOAuthAnswer+1))
		switch {
		case err != nil:
		case res.StatusCode != http.StatusOK:
			err = fmt.Errorf("%s answers %s", req.URL.Host, res.Status)
		case len(b) > maxOAuthAnswer:
			err = fmt.Errorf("%s answers too much", req.URL.Host)
		default:
			return b, nil
		}
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return nil, fmt.Errorf("%w: %w", ErrTemporary, err)
}
