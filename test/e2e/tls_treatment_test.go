package e2e_test

import (
	"bufio"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// treatment is what becomes of mail, and what the domain's report says.
type treatment struct {
	delivered bool
	policy    string // type of the policy in the report
	result    string // type of the failure; "": none
}

// treatmentOf is what RFC 7435, 7672, 8461 and 8460 want.
func treatmentOf(policy, server string) treatment {
	failure := map[string]string{
		"plain": "starttls-not-supported", "expired": "certificate-expired", "othername": "certificate-host-mismatch",
		"stranger": "certificate-not-trusted", "refuses": "starttls-not-supported", "garbles": "validation-failure",
	}[server]
	checked := server == "expired" || server == "othername" || server == "stranger"
	switch policy {
	case "none": // any certificate is better than none
		if checked {
			failure = ""
		}
		return treatment{true, "no-policy-found", failure}
	case "dane": // RFC 7672 section 3.1.1: neither names nor dates count, the key does
		if server == "expired" || server == "othername" {
			failure = ""
		}
		return treatment{failure == "", "tlsa", failure}
	case "daneta":
		return treatment{failure == "", "tlsa", failure}
	case "enforce":
		return treatment{failure == "", "sts", failure}
	case "testing":
		return treatment{true, "sts", failure}
	case "unlisted":
		return treatment{false, "sts", "validation-failure"}
	case "nofetch":
		return treatment{true, "sts", "sts-policy-fetch-error"}
	case "badweb":
		return treatment{true, "sts", "sts-webpki-invalid"}
	}
	panic(policy)
}

// badTLS is a mail exchanger that offers STARTTLS and cannot do it. Without, it
// takes mail.
type badTLS struct {
	garbles bool
	mu      sync.Mutex
	got     []string
}

func (b *badTLS) serve(c net.Conn, in *bufio.Reader) {
	say := func(s string) { io.WriteString(c, s+"\r\n") }
	say("220 mx ESMTP")
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		verb, _, _ := strings.Cut(strings.ToUpper(strings.TrimSpace(line)), " ")
		switch {
		case verb == "EHLO":
			say("250-mx\r\n250 STARTTLS")
		case verb == "STARTTLS" && b.garbles:
			say("220 go on")
			in.ReadByte() // what comes before TLS begins is taken for an attack
			say("this is no TLS, this is no TLS, this is no TLS")
			return
		case verb == "STARTTLS":
			say("454 4.7.0 not now")
		case verb == "DATA":
			say("354 go on")
			var msg strings.Builder
			for line, err = in.ReadString('\n'); line != ".\r\n"; line, err = in.ReadString('\n') {
				if err != nil {
					return // what is half there is not kept
				}
				msg.WriteString(line)
			}
			b.mu.Lock()
			b.got = append(b.got, msg.String())
			b.mu.Unlock()
			say("250 2.0.0 taken")
		case verb == "QUIT":
			say("221 bye")
			return
		default:
			say("250 2.0.0 fine")
		}
	}
}

func (b *badTLS) find(mark string) (found []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.got {
		if strings.Contains(m, mark) {
			found = append(found, m)
		}
	}
	return found
}

// tlsReport is what is read of a report of RFC 8460.
type tlsReport struct {
	Organization string `json:"organization-name"`
	Policies     []struct {
		Policy struct {
			Type   string   `json:"policy-type"`
			Domain string   `json:"policy-domain"`
			String []string `json:"policy-string"`
		}
		Summary struct {
			Good   int `json:"total-successful-session-count"`
			Failed int `json:"total-failure-session-count"`
		}
		Failures []struct {
			Result string `json:"result-type"`
			MX     string `json:"receiving-mx-hostname"`
		} `json:"failure-details"`
	}
}

// TestTLSOfNextHops: each way in which a next hop can fall short of what its
// domain demands gets the treatment that the demand calls for, and is in the
// report that the domain gets.
func TestTLSOfNextHops(t *testing.T) {
	t.Parallel()
	s := serveSender(t, "retry: [1h]", "", "")
	reports := startBackendAt(t, s.o.of("reports.test").addr, s.o.of("reports.test").config())
	type hop struct {
		*domain
		treatment
		mark string
		got  func(mark string) []string
	}
	var hops []*hop
	for _, d := range s.o.order {
		name, _, _ := strings.Cut(d.name, ".")
		if name != d.server+"-"+d.policy || d.server != "good" && (d.policy == "unlisted" || d.policy == "nofetch" || d.policy == "badweb") {
			continue
		}
		h := &hop{domain: d, treatment: treatmentOf(d.policy, d.server), mark: newMark()}
		if d.server == "refuses" || d.server == "garbles" {
			b := &badTLS{garbles: d.server == "garbles"}
			scripted(t, d.addr, b.serve)
			h.got = b.find
		} else {
			h.got = startBackendAt(t, d.addr, d.config()).find
		}
		hops = append(hops, h)
	}
	c := dial(t, s.smtp)
	for _, h := range hops {
		l := newLetter()
		l.mark = h.mark
		if r := c.mail(annAddress, "bob@"+h.name, l.String()); r.code != 250 {
			t.Fatalf("%s: %s", h.name, r)
		}
	}
	for _, h := range hops {
		var left []waiting
		eventually(t, "an attempt at "+h.name, func() bool {
			if len(h.got(h.mark)) > 0 {
				return true
			}
			left = s.queued("--domain", h.name)
			return len(left) == 1 && left[0].Attempts > 0
		})
		switch n := len(h.got(h.mark)); {
		case h.delivered && n != 1:
			t.Errorf("%s: not delivered: %+v", h.name, left)
		case !h.delivered && n > 0:
			t.Errorf("%s: DELIVERED", h.name)
		case !h.delivered && !strings.HasPrefix(left[0].Recipients[0].Reply, "4"):
			t.Errorf("%s: %+v", h.name, left)
		}
	}
	s.endDay(t)
	for _, h := range hops {
		var mails []string
		eventually(t, "the report for "+h.name, func() bool { mails = reports.find("TLS-Report-Domain: " + h.name + "\r\n"); return len(mails) > 0 })
		r := parsed[tlsReport](t, "tls-rpt", mails[0])
		if len(r.Policies) != 1 || r.Policies[0].Policy.Domain != h.name || r.Policies[0].Policy.Type != h.treatment.policy {
			t.Errorf("%s: %+v, want type %s", h.name, r, h.treatment.policy)
			continue
		}
		p := r.Policies[0]
		switch {
		case h.result == "" && (p.Summary.Good != 1 || p.Summary.Failed != 0):
			t.Errorf("%s: %+v, want success", h.name, p)
		case h.result != "" && (p.Summary.Failed != 1 || p.Summary.Good != 0 || len(p.Failures) != 1 || p.Failures[0].Result != h.result):
			t.Errorf("%s: %+v, want %s", h.name, p, h.result)
		case h.result != "" && !strings.HasPrefix(h.result, "sts-") && p.Failures[0].MX != h.host:
			t.Errorf("%s: mx %q", h.name, p.Failures[0].MX)
		}
		s.w.verifies(t, mails[0][strings.Index(mails[0], "DKIM-Signature:"):], 2)
	}
}

// endDay restarts the gateway with what it has counted today as yesterday's.
func (s *sender) endDay(t *testing.T) {
	t.Helper()
	s.stop()
	pythonWith(t, "", `import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute('UPDATE tlsrpt_days SET day = day - 1, due = 0')
db.execute('UPDATE tlsrpt_counts SET day = day - 1')
db.commit()
`, s.dir+"/data/gapura.db")
	s.again()
}
