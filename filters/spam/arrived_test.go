package spam

import (
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/filters/spam/anatomy"
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
		"ours with all marks":  {ours + results + "X-Spam-Flag: YES\r\nX-Policy: said\r\nX-Spam-Status: Yes\r\nX-Spam-Score: 9\r\n", came},
		"results and a mark":   {ours + results + "X-Spam-Flag: YES\r\n", came},
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
