package mtasts

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/outbound/record"
)

// Bounds of a fetch, beside Options.Timeout.
const (
	maxResponseHeader = 32 << 10
	handshakeTimeout  = 20 * time.Second
)

// fetcher gets policies over HTTPS.
type fetcher struct {
	client  *http.Client
	port    int
	timeout time.Duration
}

func newFetcher(opt Options, r dns.Resolver) *fetcher {
	return &fetcher{
		port: opt.Port, timeout: opt.Timeout,
		client: &http.Client{
			// RFC 8461 section 3.3: redirects must not be followed.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Transport: &http.Transport{
				DialContext:            dns.Dialer{Resolver: r, AllowPrivate: opt.AllowPrivate}.DialContext,
				TLSClientConfig:        &tls.Config{RootCAs: opt.Roots, MinVersion: tls.VersionTLS12},
				TLSHandshakeTimeout:    handshakeTimeout,
				MaxResponseHeaderBytes: maxResponseHeader,
				DisableKeepAlives:      true,
				DisableCompression:     true,
				ForceAttemptHTTP2:      false,
			},
		},
	}
}

// URL returns where the policy of a domain is.
func URL(domain string) string { return "https://mta-sts." + domain + "/.well-known/mta-sts.txt" }

// fetch gets the policy of a domain and its text (RFC 8461 section 3.3). The
// error is an *Error.
func (f *fetcher) fetch(ctx context.Context, domain string) (*Policy, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	text, err := f.get(ctx, domain)
	if err != nil {
		result := "sts-policy-fetch-error"
		var cert *tls.CertificateVerificationError
		var host x509.HostnameError
		if errors.As(err, &cert) || errors.As(err, &host) {
			result = "sts-webpki-invalid"
		}
		return nil, nil, &Error{result, fmt.Errorf("%s: %w", URL(domain), err)}
	}
	p, err := ParsePolicy(text)
	if err != nil {
		return nil, nil, &Error{"sts-policy-invalid", fmt.Errorf("%s: %w", URL(domain), err)}
	}
	return p, text, nil
}

func (f *fetcher) get(ctx context.Context, domain string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, URL(domain), nil)
	if err != nil {
		return nil, err
	}
	if f.port != 443 {
		req.URL.Host += ":" + strconv.Itoa(f.port)
	}
	req.Header.Set("User-Agent", "gapura")
	resp, err := f.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("HTTP status %d", resp.StatusCode)
	}
	if media, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err != nil || media != "text/plain" {
		return nil, fmt.Errorf("content type %q is not text/plain", record.Shorten(resp.Header.Get("Content-Type")))
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, MaxPolicy+1))
	if err == nil && len(text) > MaxPolicy {
		err = fmt.Errorf("longer than %d octets", MaxPolicy)
	}
	return text, err
}

// Fetch gets the policy of a domain, past every cache. The error is an *Error.
func Fetch(ctx context.Context, opt Options, r dns.Resolver, domain string) (*Policy, error) {
	opt.fill()
	p, _, err := newFetcher(opt, r).fetch(ctx, domain)
	return p, err
}
