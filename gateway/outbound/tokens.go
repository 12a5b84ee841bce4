package outbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"
)

// OAuth says where tokens for a login come from (RFC 6749).
type OAuth struct {
	// Address of the token endpoint: https://..., or http:// on a loopback
	// address.
	Endpoint string `yaml:"endpoint"`
	// What the gateway is registered as.
	ClientID string `yaml:"client_id"`
	// Secret that goes with it.
	ClientSecret string `yaml:"client_secret"`
	// Token that new ones are had for. Without it they are asked for in the
	// gateway's own name (client_credentials).
	RefreshToken string `yaml:"refresh_token"`
	// What the token is to be good for.
	Scope string `yaml:"scope"`
}

// tokens has the access token of one registration, and gets a new one in
// time.
type tokens struct {
	opt    OAuth
	client *http.Client
	kept   refreshes
	log    *slog.Logger

	mu      sync.Mutex // held while a token is asked for
	refresh string     // as the endpoint changed it
	unsaved bool
	token   string
	since   time.Time
	until   time.Time
	err     error // of the last time, until
}

const (
	tokenTime    = 30 * time.Second // for one request
	tokenMargin  = time.Minute      // before its end a token is not used any more
	tokenYoung   = 5 * time.Second  // who refuses one of this age will refuse the next too
	tokenRetry   = 30 * time.Second // after a failure
	tokenDefault = 10 * time.Minute // where the endpoint does not say how long it lasts
	maxToken     = 64 << 10         // octets of an answer
)

func newTokens(o OAuth) (*tokens, error) {
	u, err := url.Parse(o.Endpoint)
	switch {
	case err != nil || u.Host == "":
		return nil, errors.New("endpoint: a URL is wanted")
	case u.Scheme == "http":
		if ip, err := netip.ParseAddr(u.Hostname()); err != nil || !ip.IsLoopback() {
			return nil, errors.New("endpoint: secrets are only sent to https://")
		}
	case u.Scheme != "https":
		return nil, errors.New("endpoint: https:// is wanted")
	}
	if o.ClientID == "" {
		return nil, errors.New("client_id is missing")
	}
	return &tokens{opt: o, refresh: o.RefreshToken, log: slog.New(slog.DiscardHandler)}, nil
}

// use gives the client that asks: it trusts roots and follows no redirections,
// which could take the secret elsewhere.
func (t *tokens) use(roots *x509.CertPool) {
	t.client = &http.Client{
		Timeout:       tokenTime,
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (t *tokens) key() string {
	return strings.Join([]string{t.opt.Endpoint, t.opt.ClientID, t.opt.ClientSecret, t.opt.RefreshToken, t.opt.Scope}, "\x00")
}

// get returns a token that is good for a while.
func (t *tokens) get(ctx context.Context) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Now().Before(t.until) {
		return t.token, t.err
	}
	token, life, err := t.ask(ctx)
	if err != nil && ctx.Err() != nil {
		return "", err
	}
	t.token, t.err, t.since = token, err, time.Now()
	if t.until = time.Now().Add(tokenRetry); err == nil {
		t.until = time.Now().Add(max(life-tokenMargin, life/2))
	}
	return token, err
}

// refused forgets a token that a server did not take, and tells whether a new
// one may do.
func (t *tokens) refused(token string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.token != token || t.err != nil {
		return t.err == nil // others have another one already
	}
	t.until = time.Time{}
	return time.Since(t.since) >= tokenYoung
}

// tokenError is why there is no token: the next server has no part in it.
type tokenError struct{ err error }

func (e *tokenError) Error() string { return e.err.Error() }
func (e *tokenError) Unwrap() error { return e.err }

// ask is RFC 6749 section 6, or 4.4.
func (t *tokens) ask(ctx context.Context) (string, time.Duration, error) {
	if t.refresh != "" && !t.unsaved { // another configuration's transport may have changed it
		latest, err := t.kept.load(ctx, t.opt.registration(), t.refresh)
		if err != nil {
			t.log.Error("a refresh token could not be read", "endpoint", t.opt.Endpoint, "error", err.Error())
			return "", 0, errors.New("its refresh token could not be read here")
		}
		t.refresh = latest
	}
	form := url.Values{"client_id": {t.opt.ClientID}, "grant_type": {"client_credentials"}}
	for name, value := range map[string]string{"client_secret": t.opt.ClientSecret, "scope": t.opt.Scope, "refresh_token": t.refresh} {
		if value != "" {
			form.Set(name, value)
		}
	}
	if t.refresh != "" {
		form.Set("grant_type", "refresh_token")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.opt.Endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return "", 0, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	res, err := t.client.Do(req)
	if err != nil {
		return "", 0, errors.Unwrap(err) // the URL is not shown
	}
	defer res.Body.Close()
	var a struct {
		AccessToken  string          `json:"access_token"`
		RefreshToken string          `json:"refresh_token"`
		ExpiresIn    json.RawMessage `json:"expires_in"`
		Error        string          `json:"error"`
		Description  string          `json:"error_description"`
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxToken)).Decode(&a); err != nil {
		return "", 0, fmt.Errorf("status %d without an answer in JSON", res.StatusCode)
	}
	if res.StatusCode != http.StatusOK || a.AccessToken == "" || strings.ContainsFunc(a.AccessToken, func(r rune) bool { return r <= ' ' || r > '~' }) {
		// What else it says is for the log: senders read the reason.
		t.log.Warn("no token for the login at a smart host", "endpoint", t.opt.Endpoint, "status", res.StatusCode, "error", fmt.Sprintf("%.60s", a.Error), "description", fmt.Sprintf("%.200s", a.Description))
		return "", 0, fmt.Errorf("status %d, error %.60q", res.StatusCode, a.Error)
	}
	if t.refresh != "" && a.RefreshToken != "" && a.RefreshToken != t.refresh {
		t.refresh, t.unsaved = a.RefreshToken, true
	}
	if t.unsaved {
		if err := t.kept.save(ctx, t.opt.registration(), t.refresh); err != nil { // it goes on, till a restart
			t.log.Error("a new refresh token could not be kept", "endpoint", t.opt.Endpoint, "error", err.Error())
		} else {
			t.unsaved = false
		}
	}
	return a.AccessToken, lifetime(a.ExpiresIn), nil
}

// lifetime reads expires_in, which some write as text.
func lifetime(raw json.RawMessage) time.Duration {
	var n json.Number
	if json.Unmarshal([]byte(strings.Trim(string(raw), `"`)), &n) != nil {
		return tokenDefault
	}
	s, err := n.Float64()
	if err != nil || s <= 0 {
		return tokenDefault
	}
	return time.Duration(min(s, 24*3600) * float64(time.Second))
}
