package inbound

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

// relayForms are ways to ask for mail to somebody elsewhere, as the address
// parser gives them to us; what it refuses is not here. local: the address is
// one of ours, however it looks, so that the mail goes to our own backend.
var relayForms = map[string]struct {
	rcpt  string // as after RCPT TO:
	local bool
}{
	"plain":                    {rcpt: "<v@else.test>"},
	"subdomain of ours":        {rcpt: "<v@sub.example.org>"},
	"ours as a prefix":         {rcpt: "<v@example.org.else.test>"},
	"ours as a suffix":         {rcpt: "<v@notexample.org>"},
	"percent hack":             {rcpt: "<v%else.test@example.org>", local: true},
	"bang path":                {rcpt: "<else.test!v@example.org>", local: true},
	"quoted at":                {rcpt: `<"v@else.test"@example.org>`, local: true},
	"quoted path":              {rcpt: `<"v@else.test> NOTIFY=NEVER <x"@example.org>`, local: true},
	"percent hack to others":   {rcpt: "<v%example.org@else.test>"},
	"source route through us":  {rcpt: "<@example.org:v@else.test>"},
	"source route to us":       {rcpt: "<@else.test:v@example.org>", local: true},
	"source route of several":  {rcpt: "<@example.org,@mx.test:v@else.test>"},
	"address literal":          {rcpt: "<v@[192.0.2.1]>"},
	"IPv6 literal":             {rcpt: "<v@[IPv6:2001:db8::1]>"},
	"our own address":          {rcpt: "<v@[127.0.0.1]>"},
	"quoted local part":        {rcpt: `<"v w"@else.test>`},
	"our host's name":          {rcpt: "<v@mx.test>"},
	"other case":               {rcpt: "<v@ELSE.test>"},
	"U-labels":                 {rcpt: "<v@münchen.test>"},
	"without angle brackets":   {rcpt: "v@else.test"},
	"the name of the way out":  {rcpt: "<v@outbound>"},
	"the name of the fallback": {rcpt: "<v@default>"},
}

// relayers are the kinds of clients, and whether they may send to others.
var relayers = map[string]struct {
	client
	may bool
}{
	"a stranger on port 25":               {client: client{listener: "smtp"}},
	"a stranger over LMTP":                {client: client{listener: "lmtp"}},
	"a user on port 25":                   {client: client{listener: "smtp", login: true}, may: true},
	"a user by submission":                {client: client{listener: "submission", login: true}, may: true},
	"a user by submissions":               {client: client{listener: "submissions", login: true}, may: true},
	"a relay network on port 25":          {client: client{listener: "smtp", ip: "10.9.9.9"}, may: true},
	"a relay network over LMTP":           {client: client{listener: "lmtp", ip: "10.9.9.9"}, may: true},
	"a neighbour of a relay network":      {client: client{listener: "smtp", ip: "11.0.0.1"}},
	"a v4-mapped relay network":           {client: client{listener: "smtp", ip: "::ffff:10.9.9.9"}, may: true},
	"an address that looks like one":      {client: client{listener: "smtp", ip: "2001:db8::10.9.9.9"}},
	"somebody who did not log in, at 587": {client: client{listener: "submission"}}, // gateway/smtpd lets none come so far
}

// TestOpenRelayMatrix: every kind of client, every form of recipient, every
// kind of configuration. Mail of strangers reaches nobody but the domains that
// are configured, and never the way out.
func TestOpenRelayMatrix(t *testing.T) {
	for keys, list := range map[string][]string{"named": {"example.org", "queued.test"}, "default": {"example.org", "queued.test", "default"}} {
		for _, who := range slices.Sorted(maps.Keys(relayers)) {
			for _, how := range slices.Sorted(maps.Keys(relayForms)) {
				for _, queued := range []bool{true, false} {
					name := fmt.Sprintf("%s/%s/%s/queue=%v", keys, who, how, queued)
					t.Run(name, func(t *testing.T) { relayCase(t, list, who, how, queued, false) })
					if strings.ContainsAny(relayForms[how].rcpt, "%!\"") {
						t.Run(name+"/routed", func(t *testing.T) { relayCase(t, list, who, how, queued, true) })
					}
				}
			}
		}
	}
}

func relayCase(t *testing.T, keys []string, who, how string, queued, routed bool) {
	t.Parallel()
	c, form := relayers[who], relayForms[how]
	e, q := newSubmission(t)
	e.keys = keys
	e.also(func(o *Options) {
		o.Routed = routed
		if o.Backends["default"] = e.two; !queued {
			o.Queue = nil
		}
	})
	to, params, err := smtp.ParseRcpt("TO:"+form.rcpt, smtp.Lax|smtp.Underscore|smtp.UTF8, smtp.ExtDSN)
	if err != nil {
		t.Fatal(err)
	}
	s, _ := e.session(c.client)
	from := "u@example.org" // the strangers' forgery
	tx, r, err := s.Mail(t.Context(), smtp.ReversePath{Address: path(from)}, smtp.MailParams{SMTPUTF8: true})
	if err != nil {
		t.Fatal(r, err)
	}
	r, err = tx.Rcpt(t.Context(), to, params)
	taken := err == nil && (r.IsZero() || r.Positive())
	if taken {
		if _, err := tx.Data(t.Context(), strings.NewReader(own)); err != nil {
			t.Fatal(err)
		}
	} else {
		tx.Reset()
	}
	fallback := slices.Contains(keys, "default") && !strings.HasPrefix(to.Domain, "[")
	outbound := strings.HasPrefix(q.sent(), "outbound: ")
	switch {
	case !routed && !c.may && strings.ContainsAny(to.Local, "%!@"):
		if taken || len(e.one.texts)+len(e.two.texts) > 0 || q.sent() != "" || asReply(r, err).Error()[:9] != "550 5.7.1" {
			t.Errorf("a relay probe: %v", asReply(r, err))
		}
	case form.local:
		if !taken || len(e.one.texts) != 1 || q.sent() != "" || len(e.two.texts) > 0 {
			t.Errorf("to our own: %v %v, queue %q, fallback %d", asReply(r, err), e.one.texts, q.sent(), len(e.two.texts))
		}
	case len(e.one.texts) > 0 || q.sent() != "" && !outbound:
		t.Error("it went to one of our own")
	case c.may && queued:
		// Users reach the world, by the way out alone; what cannot exist is
		// refused.
		if wants := !cannotExist(to.Domain); outbound != wants || len(e.two.texts) > 0 || taken != wants {
			t.Errorf("%v, queue %q, fallback %d", asReply(r, err), q.sent(), len(e.two.texts))
		}
	case outbound:
		t.Error("OPEN RELAY")
	case fallback:
		if !taken || len(e.two.texts) != 1 {
			t.Errorf("the fallback did not get it: %v", asReply(r, err))
		}
	case taken || len(e.two.texts) > 0 || asReply(r, err).Error()[:9] != "550 5.7.1":
		t.Errorf("%v", asReply(r, err))
	}
}
