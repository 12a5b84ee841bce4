package outbound

import (
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	. "github.com/gapura-mail/gapura/gateway/dns/dnstest"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

func TestSmartHost(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	good, wrong := ca.issue(t, false, "relay.test"), ca.issue(t, false, "else.test")
	for name, c := range map[string]struct {
		url   string
		cert  *tls.Certificate
		ext   []string
		reply map[string]string
		opt   func(*Options)
		want  string
		auth  string
	}{
		"plain":      {url: "smtp://relay.test", want: "delivered 250 2.0.0 relayed relay.test 192.0.2.9"},
		"by address": {url: "smtp://192.0.2.9:25", want: "delivered 250 2.0.0 relayed 192.0.2.9 192.0.2.9"},
		"STARTTLS":   {url: "smtp+starttls://relay.test:25", cert: good, want: "delivered 250 2.0.0 relayed relay.test 192.0.2.9"},
		"STARTTLS, wrong name": {
			url: "smtp+starttls://relay.test:25", cert: wrong, want: "deferred 451 4.7.5 local dest relay.test 192.0.2.9",
		},
		"STARTTLS, wrong name, unchecked": {
			url: "smtp+starttls://relay.test:25", cert: wrong, want: "delivered 250 2.0.0 relayed relay.test 192.0.2.9",
			opt: func(o *Options) { o.Verify = new(bool) },
		},
		"STARTTLS not offered": {url: "smtp+starttls://relay.test:25", want: "deferred 451 4.7.5 local dest relay.test 192.0.2.9"},
		"login": {
			url: "smtp+starttls://me:p%40ss@relay.test:25", cert: good, ext: []string{"AUTH PLAIN LOGIN"}, reply: map[string]string{"AUTH": "235 2.7.0 in"},
			want: "delivered 250 2.0.0 relayed relay.test 192.0.2.9", auth: "AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00me\x00p@ss")),
		},
		"login refused": {
			url: "smtp+starttls://me:pass@relay.test:25", cert: good, ext: []string{"AUTH PLAIN"}, reply: map[string]string{"AUTH": "535 5.7.8 no"},
			want: "deferred 451 4.7.0 local dest relay.test 192.0.2.9", auth: "AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00me\x00pass")),
		},
		"login not offered": {
			url: "smtp+starttls://me:pass@relay.test:25", cert: good, want: "deferred 451 4.7.0 local dest relay.test 192.0.2.9",
		},
		"login wanted": {
			url: "smtp://relay.test", reply: map[string]string{"MAIL": "530 5.7.0 log in"}, want: "deferred 530 5.7.0 dest relay.test 192.0.2.9",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, Zone{"relay.test": {A("192.0.2.9")}})
				w.opt.Route, w.opt.CA = c.url, ca.file
				if c.opt != nil {
					c.opt(&w.opt)
				}
				s := &sink{cert: c.cert, ext: c.ext, replies: c.reply}
				w.hosts["192.0.2.9:25"] = s.serve
				wantOutcome(t, w.transport().Deliver(t.Context(), job("b@d.test")), c.want)
				if got := s.said("AUTH"); got != c.auth {
					t.Errorf("said %q, want %q", got, c.auth)
				}
			})
		})
	}
}

// The first route that fits the recipients and the sender is taken.
func TestRoutes(t *testing.T) {
	t.Parallel()
	o := Options{Way: Way{Route: "smtp://main.test"}, Routes: []Route{
		{Domains: []string{"one.test"}, Senders: []string{"boss@from.test"}, Way: Way{Route: "smtp://boss-to-one.test"}},
		{Domains: []string{"one.test", "*.two.test"}, Way: Way{Route: "smtp://domains.test"}},
		{Senders: []string{"a@from.test", "mail.from.test"}, Way: Way{Route: "smtp://senders.test"}},
		{Domains: []string{"mx.test"}, Way: Way{Route: "mx"}},
	}}
	if err := o.Validate(); err != nil {
		t.Fatal(err)
	}
	r, err := newRouting(o.withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range [][3]string{
		{"boss@from.test", "x@one.test", "boss-to-one.test"},
		{"BOSS@From.test", "x@ONE.test", "boss-to-one.test"},
		{"x@from.test", "x@one.test", "domains.test"},
		{"x@from.test", "x@a.b.two.test", "domains.test"},
		{"x@from.test", "x@two.test", "main.test"},
		{"a@from.test", "x@d.test", "senders.test"},
		{"x@mail.from.test", "x@d.test", "senders.test"},
		{"@", "x@d.test", "main.test"},
		{"x@from.test", "x@mx.test", "mx"},
	} {
		j := job(c[1])
		j.From.Local, j.From.Domain, _ = strings.Cut(c[0], "@")
		got := "mx"
		if w := r.of(j.Destination, sender(j)); !w.mx {
			got = w.hosts[0].host
		}
		if got != c[2] {
			t.Errorf("%s to %s goes to %s", c[0], c[1], got)
		}
	}
}

// What leaves by one smart host shares that next hop in the queue; mail to one
// domain that goes different ways, or from different addresses, does not.
func TestNextHop(t *testing.T) {
	t.Parallel()
	o := Options{Way: Way{Route: "smtp://main.test"}, Routes: []Route{
		{Domains: []string{"one.test"}, Senders: []string{"boss@from.test"}, Way: Way{Route: "smtp://boss.test"}},
		{Domains: []string{"one.test", "*.two.test"}, Way: Way{Route: "smtp://domains.test"}},
		{Domains: []string{"mx.test"}, Way: Way{Route: "mx"}},
	}}
	w := newWorld(t, one())
	w.opt.Way, w.opt.Routes = o.Way, o.Routes
	hop := func(domain, local, lane string) string {
		return w.transport().NextHop(domain, smtp.Address{Local: local, Domain: "from.test"}, gateway.Queueing{Lane: lane})
	}
	if a, b := hop("x.test", "a", ""), hop("y.test", "b", "bulk"); a != b || a == "x.test" {
		t.Errorf("by the main smart host: %q, %q", a, b)
	}
	if a, b := hop("a.two.test", "a", ""), hop("one.test", "b", ""); a != b || a == hop("x.test", "a", "") {
		t.Errorf("by another: %q, %q", a, b)
	}
	if a, b := hop("one.test", "boss", ""), hop("one.test", "x", ""); a == b {
		t.Errorf("different senders have different ways: %q", a)
	}
	if h := hop("mx.test", "a", "bulk"); h != "mx.test" {
		t.Errorf("the domain's servers: %q", h)
	}
	w.opt.Pools = []Pool{{Name: "news", Lanes: []string{"bulk"}, Sources: []Source{{Address: addr("198.51.100.1")}}}}
	for _, d := range []string{"mx.test", "x.test"} {
		if a, b := hop(d, "a", "bulk"), hop(d, "a", ""); a == b || a != hop(d, "b", "bulk") {
			t.Errorf("from different pools: %q, %q", a, b)
		}
	}
}

// A signed return address is no other sender.
func TestRouteOfASignedReturnAddress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, s := newWorld(t, one()), &sink{}
		w.hosts["192.0.2.9:25"] = s.serve
		w.opt.Routes = []Route{{Senders: []string{"news@from.test"}, Way: Way{Route: "smtp://192.0.2.9"}}}
		j := job("b@d.test")
		j.From.Local, j.From.Domain, j.Sender = "prvs=1790abcdef=news", "from.test", smtp.Address{Local: "news", Domain: "from.test"}
		if out := w.transport().Deliver(t.Context(), j); out[0].Reply.Code != 250 || s.opened() != 1 {
			t.Error(shows(out))
		}
	})
}

// The fallback takes mail when no server of the route can be reached, and only
// then.
func TestFallback(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		zone Zone
		host *sink
		want string
	}{
		"down":           {zone: one(), want: "delivered 250 2.0.0 relayed b2.test 192.0.2.12"},
		"DNS fails":      {zone: Zone{"d.test": {ServFail}}, want: "delivered 250 2.0.0 relayed b2.test 192.0.2.12"},
		"greets with no": {zone: one(), host: &sink{hello: "554 go away!"}, want: "delivered 250 2.0.0 relayed b2.test 192.0.2.12"},
		"refuses":        {zone: one(), host: &sink{replies: map[string]string{"RCPT": "550 5.1.1 no"}}, want: "failed 550 5.1.1 mx.d.test 192.0.2.1"},
		"not now":        {zone: one(), host: &sink{replies: map[string]string{"RCPT": "450 4.2.0 no"}}, want: "deferred 450 4.2.0 mx.d.test 192.0.2.1"},
		"no such domain": {zone: Zone{}, want: "failed 550 5.1.2 local dest"},
		"in doubt":       {zone: one(), host: &sink{replies: map[string]string{"END": "!"}}, want: "deferred 451 4.4.2 local mx.d.test 192.0.2.1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c.zone["b1.test"], c.zone["b2.test"] = append(Zone{}["x"], A("192.0.2.11")), append(Zone{}["x"], A("192.0.2.12"))
				w := newWorld(t, c.zone)
				w.opt.Fallback = []string{"smtp://b1.test", "smtp://b2.test"}
				w.hosts["192.0.2.12"] = (&sink{}).serve
				if c.host != nil {
					w.hosts["192.0.2.1"] = c.host.serve
				}
				wantOutcome(t, w.transport().Deliver(t.Context(), job("b@d.test")), c.want)
			})
		})
	}
}

// A login by XOAUTH2: the token is asked for once, and again when it was
// refused or has run out.
func TestTokens(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	var asked atomic.Int32
	var refuses atomic.Bool
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil || r.Form.Get("grant_type") != "refresh_token" || r.Form.Get("refresh_token") != "again" ||
			r.Form.Get("client_id") != "gapura" || r.Form.Get("client_secret") != "s3cret" {
			t.Errorf("asked for %v", r.Form)
		}
		if r.URL.Path == "/moved" {
			http.Redirect(w, r, "/", http.StatusTemporaryRedirect)
			return
		}
		if refuses.Load() {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"error": "invalid_grant", "error_description": "application 4711 is not consented to"}`)
			return
		}
		fmt.Fprintf(w, `{"access_token": "token%d", "token_type": "Bearer", "expires_in": 3600}`, asked.Add(1))
	}))
	defer endpoint.Close()
	w := newWorld(t, Zone{"relay.test": {A("192.0.2.9")}})
	w.opt.Way = Way{Route: "smtp+starttls://me@relay.test:25", Mechanism: "xoauth2", OAuth: &OAuth{
		Endpoint: endpoint.URL, ClientID: "gapura", ClientSecret: "s3cret", RefreshToken: "again",
	}}
	w.opt.CA = ca.file
	s := &sink{cert: ca.issue(t, false, "relay.test"), ext: []string{"AUTH XOAUTH2 PLAIN"}, replies: map[string]string{"AUTH": "235 in"}}
	w.hosts["192.0.2.9:25"] = s.serve
	tr := w.transport()
	said := func() string {
		_, b64, _ := strings.Cut(s.said("AUTH"), "XOAUTH2 ")
		b, _ := base64.StdEncoding.DecodeString(b64)
		return string(b)
	}
	for i, want := range []string{"token1", "token1", "token1", "token2"} {
		w.state.pool.setLimits(10, 0, 1) // no connection is kept
		switch i {
		case 2:
			s.set("AUTH", "535 5.7.8 expired")
		case 3:
			s.set("AUTH", "235 in")
		}
		out := tr.Deliver(t.Context(), job("b@d.test"))
		if got := said(); got != "user=me\x01auth=Bearer "+want+"\x01\x01" || (out[0].Reply.Code == 250) == (i == 2) {
			t.Errorf("%d: %q, %s", i, got, shows(out))
		}
	}
	// One that was good for a while and is not any more is replaced at once.
	line := func(token string) string {
		return "AUTH XOAUTH2 " + base64.StdEncoding.EncodeToString([]byte("user=me\x01auth=Bearer "+token+"\x01\x01"))
	}
	tok := tr.routing.main.hosts[0].tokens
	age := func() {
		tok.mu.Lock()
		defer tok.mu.Unlock()
		tok.since = tok.since.Add(-tokenYoung)
	}
	age()
	s.set(line("token2"), "535 5.7.8 expired")
	if out := tr.Deliver(t.Context(), job("b@d.test")); out[0].Reply.Code != 250 || asked.Load() != 3 {
		t.Errorf("%s, asked %d times", shows(out), asked.Load())
	}
	// Twice in a row is the login's fault.
	age()
	s.set("AUTH", "535 5.7.8 no")
	s.set(line("token3"), "535 5.7.8 no")
	wantOutcome(t, tr.Deliver(t.Context(), job("b@d.test")), "deferred 451 4.7.0 local dest relay.test 192.0.2.9")
	if asked.Load() != 4 {
		t.Errorf("asked %d times", asked.Load())
	}
	tok.until, tok.opt.Endpoint = time.Time{}, endpoint.URL+"/moved" // the secret goes nowhere else
	if out := tr.Deliver(t.Context(), job("b@d.test")); !strings.HasSuffix(out[0].Reply.Text, "status 307 without an answer in JSON") || asked.Load() != 4 {
		t.Errorf("%s %s, asked %d times", shows(out), out[0].Reply.Text, asked.Load())
	}
	tok.opt.Endpoint = endpoint.URL
	refuses.Store(true)
	for _, want := range []string{`status 400, error "invalid_grant"`, "connect: connection refused"} {
		tok.mu.Lock()
		tok.until = time.Time{}
		tok.mu.Unlock()
		out := tr.Deliver(t.Context(), job("b@d.test"))
		if got := out[0].Reply.Text; got != "There is no token for the login at the smart host; the token endpoint: "+want {
			t.Error(got)
		}
		endpoint.Close()
	}
}

func TestOptionsThatCannotBe(t *testing.T) {
	t.Parallel()
	for want, o := range map[string]Options{
		"route: a URL is wanted":             {Way: Way{Route: "relay.test"}},
		"route: a password is not sent":      {Way: Way{Route: "smtp://me:secret@relay.test"}},
		"route: port":                        {Way: Way{Route: "smtp://relay.test:0"}},
		"route: host":                        {Way: Way{Route: "smtp://-relay:25"}},
		"route: a user without a password":   {Way: Way{Route: "smtps://me@relay.test"}},
		"fallback[0]: a URL is wanted":       {Way: Way{Fallback: []string{"mx"}}},
		"mechanism":                          {Way: Way{Mechanism: "CRAM-MD5"}},
		"oauth: endpoint: secrets are only":  {Way: Way{OAuth: &OAuth{Endpoint: "http://192.0.2.1/", ClientID: "x"}}},
		"oauth: client_id":                   {Way: Way{OAuth: &OAuth{Endpoint: "https://login.test/"}}},
		"routes[0]: needs domains":           {Routes: []Route{{Way: Way{Route: "mx"}}}},
		"routes[0]: \"a b\" is neither":      {Routes: []Route{{Domains: []string{"a b"}}}},
		"tls: \"may\" is none of none":       {TLS: "may"},
		"tls_policy[0]: needs domains or mx": {TLSPolicy: []TLSPolicy{{Level: "none"}}},
		"tls_policy[0]: level \"\"":          {TLSPolicy: []TLSPolicy{{MX: []string{"*"}}}},
		"families: \"ipv5\"":                 {Families: []string{"ipv5"}},
		"hosts: from 1":                      {Hosts: -1},
		"addresses: from 1":                  {Addresses: 17},
		"port: 65536":                        {Port: 65536},
	} {
		err := o.Validate()
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "secret@") {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if err := (Options{}).Validate(); err != nil {
		t.Error(err)
	}
}

// A connection is logged in as somebody: others do not use it.
func TestLoginsDoNotShareConnections(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	cert := ca.issue(t, false, "relay.test")
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Zone{"relay.test": {A("192.0.2.9")}})
		w.opt.CA = ca.file
		w.opt.Way = Way{Route: "smtp+starttls://me:pass@relay.test:25"}
		w.opt.Routes = []Route{{Senders: []string{"you@from.test"}, Way: Way{Route: "smtp+starttls://you:pass@relay.test:25"}}}
		s := &sink{cert: cert, ext: []string{"AUTH PLAIN"}, replies: map[string]string{"AUTH": "235 in"}}
		w.hosts["192.0.2.9:25"] = s.serve
		tr := w.transport()
		for i, from := range []string{"me", "you", "me", "you"} {
			j := job("b@d.test")
			j.From.Local = from
			if out := tr.Deliver(t.Context(), j); out[0].Reply.Code != 250 {
				t.Fatal(shows(out))
			}
			if want := min(i+1, 2); s.opened() != want {
				t.Errorf("after %d: %d connections", i+1, s.opened())
			}
		}
	})
}
