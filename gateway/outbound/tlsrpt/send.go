package tlsrpt

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gapura-mail/gapura/gateway/dns"
)

const (
	// keepTrying is how long a report is tried to be sent (RFC 8460 section
	// 5.5), and how long the report of a day waits for DNS.
	keepTrying = 24 * time.Hour
	firstRetry = 5 * time.Minute
	maxRetry   = 4 * time.Hour
	// attemptTimeout bounds one attempt.
	attemptTimeout = time.Minute
	// batch is how many are done in one go, sendsAtOnce how many of them at the
	// same time.
	batch       = 32
	sendsAtOnce = 4
	idle        = 10 * time.Minute
	// maxDestinations bounds the URIs that get one domain's report.
	maxDestinations = 4
)

// sending writes and sends reports when their time has come.
func (c *Collector) sending() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-c.root.Done():
			return
		case <-c.wake:
		case <-timer.C:
		}
		wait := c.round(time.Now())
		timer.Reset(wait)
	}
}

// round does what is due and returns the time until more is.
func (c *Collector) round(now time.Time) time.Duration {
	days, nextDay, err := c.dueDays(c.root, now, batch)
	atOnce(days, func(d dayDomain) {
		if err := c.write(d, now); err != nil && c.root.Err() == nil {
			c.opt.Log.Error("TLS-RPT: report not written", "domain", d.domain, "error", err.Error())
		}
	})
	items, nextItem, ierr := c.dueItems(c.root, now, batch)
	if err = errors.Join(err, ierr); err != nil {
		if c.root.Err() == nil {
			c.opt.Log.Error("TLS-RPT: reports not read", "error", err.Error())
		}
		return idle
	}
	atOnce(items, func(i item) {
		if err := c.attempt(i, now); err != nil && c.root.Err() == nil {
			c.opt.Log.Warn("TLS-RPT: report not sent", "domain", i.domain, "uri", i.uri, "attempts", i.attempts+1, "error", err.Error())
		}
	})
	if len(days) > 0 || len(items) > 0 {
		return time.Second
	}
	wait := idle
	for _, next := range []time.Time{nextDay, nextItem} {
		if !next.IsZero() {
			wait = min(wait, max(next.Sub(now), time.Second))
		}
	}
	return wait
}

// write turns the counts of a day into reports to be sent.
func (c *Collector) write(d dayDomain, now time.Time) error {
	ctx, cancel := context.WithTimeout(c.root, askTimeout)
	defer cancel()
	rec, err := LookupRecord(ctx, c.r, d.domain)
	switch {
	case isNone(err):
		return ignoreTaken(c.finish(c.root, d, nil, nil, now))
	case err != nil && now.Before(dayStart(d.day+1).Add(c.opt.Spread+keepTrying)):
		return c.postpone(c.root, d, now.Add(firstRetry))
	}
	policies, err := c.counts(c.root, d)
	if err != nil {
		return err
	}
	if len(policies) == 0 || len(rec.RUA) == 0 {
		return ignoreTaken(c.finish(c.root, d, nil, nil, now))
	}
	report := &Report{
		Organization: c.opt.Organization, Contact: c.opt.Contact, Policies: policies,
		DateRange: DateRange{Time{dayStart(d.day)}, Time{dayStart(d.day + 1).Add(-time.Second)}},
		ID:        c.newID(d),
	}
	data, err := report.Gzip()
	if err != nil {
		return err
	}
	return ignoreTaken(c.finish(c.root, d, data, destinations(rec), now))
}

func isNone(err error) bool { return errors.Is(err, ErrNoRecord) || errors.Is(err, ErrRecord) }

func ignoreTaken(err error) error {
	if errors.Is(err, errTaken) {
		return nil
	}
	return err
}

// newID makes a report id that is a Message-ID too.
func (c *Collector) newID(d dayDomain) string {
	var b [8]byte
	_, _ = rand.Read(b[:])
	return dayStart(d.day).Format("2006-01-02") + "." + d.domain + "." + hex.EncodeToString(b[:]) + "@" + c.opt.Hostname
}

// destinations returns the URIs that we can send to.
func destinations(r Record) []string {
	var list []string
	for _, uri := range r.RUA {
		scheme, _, _ := strings.Cut(strings.ToLower(uri), ":")
		if (scheme == "mailto" || scheme == "https") && len(list) < maxDestinations {
			list = append(list, uri)
		}
	}
	return list
}

// atOnce calls f for every item, a few at the same time.
func atOnce[T any](list []T, f func(T)) {
	var wg sync.WaitGroup
	room := make(chan struct{}, sendsAtOnce)
	for _, v := range list {
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			f(v)
		})
	}
	wg.Wait()
}

// errFinal wraps an answer after which trying again is of no use.
var errFinal = errors.New("refused")

// attempt tries to send one report.
func (c *Collector) attempt(i item, now time.Time) error {
	if now.Unix() >= i.expires {
		return errors.Join(errors.New("given up"), c.drop(c.root, i))
	}
	ours, err := c.claim(c.root, i, now.Add(min(firstRetry<<min(i.attempts, 10), maxRetry)))
	if err != nil || !ours {
		return err
	}
	ctx, cancel := context.WithTimeout(c.root, attemptTimeout)
	defer cancel()
	if strings.HasPrefix(strings.ToLower(i.uri), "https:") {
		err = c.poster.post(ctx, i.uri, i.report)
	} else {
		err = c.mail(ctx, i, now)
	}
	if err == nil || errors.Is(err, errFinal) {
		return errors.Join(err, c.drop(context.WithoutCancel(c.root), i))
	}
	return err
}

// mail queues a report.
func (c *Collector) mail(ctx context.Context, i item, now time.Time) error {
	to, err := mailbox(i.uri)
	if err != nil {
		return fmt.Errorf("%w: %w", errFinal, err)
	}
	r, err := ParseReport(bytes.NewReader(i.report))
	if err != nil {
		return fmt.Errorf("%w: %w", errFinal, err)
	}
	l := Letter{Report: r, Domain: i.domain, Submitter: c.opt.Hostname, From: c.opt.Contact, To: to, Date: now, Gzip: i.report}
	return c.mailer.Send(ctx, c.opt.Contact, to, l.Bytes())
}

// poster sends reports by HTTPS (RFC 8460 section 5.4).
type poster struct{ client *http.Client }

func newPoster(opt Options, r dns.Resolver) *poster {
	return &poster{&http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:            dns.Dialer{Resolver: r, AllowPrivate: opt.AllowPrivate}.DialContext,
			TLSClientConfig:        &tls.Config{RootCAs: opt.Roots, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    20 * time.Second,
			MaxResponseHeaderBytes: 32 << 10,
			DisableKeepAlives:      true,
		},
	}}
}

func (p *poster) post(ctx context.Context, uri string, report []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, uri, bytes.NewReader(report))
	if err != nil {
		return fmt.Errorf("%w: %w", errFinal, err)
	}
	req.Header.Set("Content-Type", "application/tlsrpt+gzip")
	req.Header.Set("User-Agent", "gapura")
	resp, err := p.client.Do(req)
	if err != nil {
		return err
	}
	_, _ = io.CopyN(io.Discard, resp.Body, 4096)
	resp.Body.Close()
	switch code := resp.StatusCode; {
	case code/100 == 2:
		return nil
	case code >= 500, code == http.StatusRequestTimeout, code == http.StatusTooManyRequests:
		return fmt.Errorf("HTTP status %d", code)
	default:
		return fmt.Errorf("%w: HTTP status %d", errFinal, code)
	}
}
