package spam

import (
	"bytes"
	"testing"

	"github.com/gapura-mail/gapura/filters/spam/anatomy"
	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/message"
)

// FuzzAsArrived: whatever is put on top of a message that came, it is found
// again as it came; of what strangers send nothing is taken for ours, and
// nothing below the author's name is cut.
func FuzzAsArrived(f *testing.F) {
	const host = "mx.x.test"
	const ours = "Return-Path: <a@a.test>\r\nReceived: from a (a [192.0.2.1])\r\n\tby mx.x.test (Gapura) with ESMTP id 1; Mon, 1 Jan 2024 00:00:00 +0000\r\nAuthentication-Results: mx.x.test; dmarc=fail header.from=a.test\r\n"
	f.Add([]byte("From: a@a.test\r\nSubject: x\r\n\r\nbody\r\n"))
	f.Add([]byte("Received: from b by c.test; x\r\nX-Spam-Score: 1\r\nFrom: a@a.test\r\n\r\nbody\r\n"))
	f.Add([]byte("Received: by mx.x.test; x\r\nFrom: a@a.test\r\nAuthentication-Results: mx.x.test; dmarc=pass header.from=a.test\r\nX-Spam-Score: 1\r\n\r\nx"))
	f.Add([]byte("Authentication-Results: mx.x.test; spf=pass smtp.mailfrom=\"x\\\";y\"@a; dmarc=\r\nFrom: <>\r\n\r\n"))
	f.Add([]byte("no header\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		got := AsArrived(raw, host)
		block, body := message.Split(raw)
		_, left := message.Split(got)
		if len(got) > len(raw)+2 || !bytes.Equal(body, left) {
			t.Errorf("%q is made of %q", got, raw)
		}
		h, err := message.ParseHeader(block, message.HeaderLimits{})
		if err == nil && h != nil {
			from, there := h.Get("From")
			block, _ := message.Split(got)
			after, err := message.ParseHeader(block, message.HeaderLimits{})
			if err != nil || after == nil {
				t.Fatalf("%q: %v", got, err)
			}
			if now, still := after.Get("From"); there && (!still || now != from) {
				t.Errorf("the author of %q is lost: %q", raw, got)
			}
		}
		kept := append([]byte(ours), raw...)
		tell(&gateway.Transaction{Session: &gateway.Session{}}, Kept{Raw: kept, Hostname: host})
		var m anatomy.Message
		if m.Parse(raw) == nil && SenderOf(&m, kept, host).Aligned {
			t.Errorf("%q proves its author", raw)
		}
	})
}
