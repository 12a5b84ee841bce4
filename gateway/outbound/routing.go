package outbound

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/queue"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// Way is where mail goes.
type Way struct {
	// How mail leaves: mx, to the servers that the DNS names, or the URL of a
	// smart host: smtp://host:port, smtp+starttls://, smtps://, with
	// user:password@ before the host where it asks for a login.
	Route string `yaml:"route"`
	// Smart hosts that are tried in this order when no server of the route can
	// be reached.
	Fallback []string `yaml:"fallback"`
	// Whether the certificates of smart hosts are checked.
	Verify *bool `yaml:"verify"`
	// Mechanism of the login at smart hosts: SCRAM-SHA-256, PLAIN, LOGIN,
	// OAUTHBEARER or XOAUTH2. Default: the best that is offered.
	Mechanism string `yaml:"mechanism"`
	// Logs in with tokens (OAuth 2.0) instead of the password.
	OAuth *OAuth `yaml:"oauth"`
}

// Route is the way of some mail.
type Route struct {
	// Recipients' domains that it is for: a domain, or *.domain for what is
	// below it.
	Domains []string `yaml:"domains"`
	// Senders that it is for: addresses and domains; with domains, both count.
	Senders []string `yaml:"senders"`
	Way     `yaml:",inline"`
}

// way is a Way that was read.
type way struct {
	mx       bool
	hosts    []*target
	fallback *way
	key      string // tells the ways of one configuration apart
}

// routing finds the way of a job.
type routing struct {
	main  *way
	rules []routeRule
}

type routeRule struct {
	domains, senders names
	way              *way
}

// maxRoutes bounds the list that every message goes through.
const maxRoutes = 1000

func newRouting(o Options) (*routing, error) {
	r := &routing{}
	var err error
	if r.main, err = newWay("main", o.Way); err != nil {
		return nil, err
	}
	if len(o.Routes) > maxRoutes {
		return nil, fmt.Errorf("routes: more than %d", maxRoutes)
	}
	for i, x := range o.Routes {
		at := "routes[" + strconv.Itoa(i) + "]"
		rule := routeRule{}
		if rule.domains, err = newNames(x.Domains); err == nil {
			rule.senders, err = newNames(x.Senders)
		}
		if err == nil && rule.domains.empty() && rule.senders.empty() {
			err = fmt.Errorf("needs domains or senders")
		}
		if err == nil {
			x.Way.Verify = either(x.Way.Verify, o.Verify)
			rule.way, err = newWay(at, x.Way)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", at, err)
		}
		r.rules = append(r.rules, rule)
	}
	return r, nil
}

func either[T any](a, b *T) *T {
	if a != nil {
		return a
	}
	return b
}

// newWay reads a Way.
func newWay(key string, o Way) (*way, error) {
	w := &way{mx: o.Route == "mx" || o.Route == "", key: key}
	o.Mechanism = strings.ToUpper(o.Mechanism)
	switch o.Mechanism {
	case "", "SCRAM-SHA-256", "PLAIN", "LOGIN", "OAUTHBEARER", "XOAUTH2":
	default:
		return nil, fmt.Errorf("mechanism: %q is unknown", o.Mechanism)
	}
	var tok *tokens
	if o.OAuth != nil {
		var err error
		if tok, err = newTokens(*o.OAuth); err != nil {
			return nil, fmt.Errorf("oauth: %w", err)
		}
	}
	read := func(where, url string) (*target, error) {
		t, err := parseTarget(url)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", where, err)
		}
		if t.user != "" && tok == nil && t.pass == "" {
			return nil, fmt.Errorf("%s: a user without a password needs oauth", where)
		}
		t.tokens, t.mechanism, t.unverified = tok, o.Mechanism, o.Verify != nil && !*o.Verify
		t.login = t.loginKey()
		return t, nil
	}
	if !w.mx {
		t, err := read("route", o.Route)
		if err != nil {
			return nil, err
		}
		w.hosts = []*target{t}
	}
	if len(o.Fallback) == 0 {
		return w, nil
	}
	w.fallback = &way{key: key + " fallback"}
	for i, url := range o.Fallback {
		t, err := read("fallback["+strconv.Itoa(i)+"]", url)
		if err != nil {
			return nil, err
		}
		w.fallback.hosts = append(w.fallback.hosts, t)
	}
	if len(o.Fallback) > maxHosts {
		return nil, fmt.Errorf("fallback: more than %d", maxHosts)
	}
	return w, nil
}

// loginKey tells logins apart without showing them.
func (t *target) loginKey() string {
	if t.user == "" {
		return ""
	}
	what := t.mechanism + "\x00" + t.user + "\x00" + t.pass
	if t.tokens != nil {
		what += "\x00" + t.tokens.key()
	}
	sum := sha256.Sum256([]byte(what))
	return hex.EncodeToString(sum[:])
}

// use tells who may vouch for the endpoints of tokens, and where tokens are
// kept.
func (r *routing) use(roots *x509.CertPool, kept refreshes, log *slog.Logger) {
	ways := []*way{r.main}
	for _, x := range r.rules {
		ways = append(ways, x.way)
	}
	for _, w := range ways {
		for ; w != nil; w = w.fallback {
			for _, h := range w.hosts {
				if h.tokens != nil {
					h.tokens.use(roots)
					h.tokens.kept, h.tokens.log = kept, log
				}
			}
		}
	}
}

// of returns the way of mail from a sender to a domain: that of the first rule
// that fits.
func (r *routing) of(domain string, from smtp.Address) *way {
	for i := range r.rules {
		x := &r.rules[i]
		if (x.domains.empty() || x.domains.has(domain)) && (x.senders.empty() || x.senders.hasAddress(from)) {
			return x.way
		}
	}
	return r.main
}

// NextHop implements queue.NextHop: all mail that leaves by a smart host shares
// it, with limits and failures; else it is the domain's own servers. What leaves
// from another pool has its own: it may be used up, or disliked there.
func (t *Transport) NextHop(domain string, from smtp.Address, how gateway.Queueing) string {
	hop := domain
	if w := t.routing.of(domain, from); !w.mx {
		hop = ":" + w.key
	}
	if p := t.pools.of(domain, how); p != nil {
		hop += "\x00" + p.name
	}
	return hop
}

var _ queue.NextHop = (*Transport)(nil)

// sender is who a job is from: a notification has none.
func sender(j *queue.Job) smtp.Address {
	if !j.Sender.IsZero() {
		return j.Sender
	}
	return j.From.Address
}
