package spam

import (
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/filters/spam/anatomy"
	"github.com/gapura-mail/gapura/gateway/message"
)

// TestAsArrived: what the gateway put on top goes, what came stays.
func TestAsArrived(t *testing.T) {
	t.Parallel()
	const came = "Received: from a by b.test; Mon, 1 Jan 2024 00:00:00 +0000\r\nX-Spam-Score: 3\r\nAuthentication-Results: b.test; dmarc=fail\r\nFrom: a@a.test\r\nSubject: x\r\n\r\nbody\r\n"
	const ours = "Return-Path: <a@a.test>\r\nDelivered-To: u@x.test\r\nReceived: from a\r\n by MX.x.test (Gapura) with ESMTP id 1; Mon, 1 Jan 2024 00:00:00 +0000\r\n"
	const results = "Authentication-Results: mx.x.test; spf=pass smtp.mailfrom=a.test;\r\n dmarc=pass header.from=a.test\r\n"
	for name, c := range map[string]struct{ top, rest string }{
		"not ours":             {"", came},
		"ours":                 {ours, came},
		"a client named by":    {strings.Replace(ours, "from a\r\n", "from by\r\n", 1), came},
		"ours with all marks":  {ours + results + "X-Spam-Flag: YES\r\nX-Policy: said\r\nX-Spam-Status: Yes\r\nX-Spam-Score: 9\r\n", came},
		"results and a mark":   {ours + results + "X-Spam-Flag: YES\r\n", came},
		"a mark of strangers":  {ours + results, "Subject: y\r\nFrom: a@a.test\r\nContent-Type: text/html\r\nX-Spam-Flag: NO\r\nX-Spam-Score: 0\r\n\r\nbody\r\n"},
		"another's above ours": {"", "Received: from x by other.test; x\r\n" + ours + came},
	} {
		if got := string(AsArrived([]byte(c.top+c.rest), "mx.x.test")); got != c.rest {
			t.Errorf("%s:\n%q\nwant\n%q", name, got, c.rest)
		}
	}
	for top, aligned := range map[string]bool{ours + results: true, ours: false, strings.ReplaceAll(ours+results, "mx.x.test", "other.test"): false} {
		var m anatomy.Message
		raw := []byte(top + came)
		if err := m.Parse(raw); err != nil {
			t.Fatal(err)
		}
		if s := SenderOf(&m, raw, "mx.x.test"); s.Address != "a@a.test" || s.Aligned != aligned {
			t.Errorf("%q: %+v", top, s)
		}
	}
}

// TestOnlyOurResultsProveASender: what DMARC found is read from the field as
// the gateway writes it, and not from words of strangers in it.
func TestOnlyOurResultsProveASender(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		mailfrom, dmarc string
		aligned         bool
	}{
		{"a.test", "pass", true},
		{"a.test", "none", false},
		{"x dmarc=pass@evil.test", "fail", false},
		{"x;\tdmarc=pass@evil.test", "fail", false},
	} {
		r := message.AuthResults{ID: "mx.x.test", Results: []message.AuthResult{
			{Method: "spf", Result: "fail", Props: []message.AuthProp{{Type: "smtp", Name: "mailfrom", Value: c.mailfrom}}},
			{Method: "dmarc", Result: c.dmarc, Props: []message.AuthProp{{Type: "header", Name: "from", Value: "a.test"}}},
		}}
		raw := []byte("Received: from a (a [192.0.2.1])\r\n\tby mx.x.test (Gapura) with ESMTP id 1; x\r\n" + string(r.Field()) + "From: a@a.test\r\n\r\nx\r\n")
		var m anatomy.Message
		if err := m.Parse(raw); err != nil {
			t.Fatal(err)
		}
		if s := SenderOf(&m, raw, "mx.x.test"); s.Address != "a@a.test" || s.Aligned != c.aligned {
			t.Errorf("%q: %+v", r.Field(), s)
		}
	}
}

// TestClientOfATraceField is the address that the gateway saw, not one of HELO
// or of a recipient.
func TestClientOfATraceField(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"from a (a [192.0.2.1])\tby mx.x.test (Gapura) with ESMTP id 1\tfor <a@[10.0.0.1]>; x": "192.0.2.1",
		"from [10.0.0.1] (unknown [IPv6:2001:db8::1]) by mx.x.test; x":                         "2001:db8::1",
		"from by (by [192.0.2.1])\tby mx.x.test; x":                                            "192.0.2.1",
		"from localhost (local)\tby mx.x.test; x":                                              "invalid IP",
		"by mx.x.test for <a@[10.0.0.1]>; x":                                                   "invalid IP",
	} {
		if got := clientOf(value).String(); got != want {
			t.Errorf("%q: %s", value, got)
		}
	}
}
