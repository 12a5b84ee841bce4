package report

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

// TestNoLineOfANoticeIsTooLong: whatever others have written, lines are what RFC
// 5322 section 2.1.1 allows, and the notice is in the character set it promises.
func TestNoLineOfANoticeIsTooLong(t *testing.T) {
	for _, long := range []string{strings.Repeat("x", 3000), strings.Repeat("ж", 1500), strings.Repeat("a b", 900), strings.Repeat("\x80\xff", 1000), strings.Repeat("line\n", 500)} {
		for _, utf8 := range []bool{false, true} {
			n := &Notice{
				ReportingMTA: "mx.test", To: smtp.Address{Local: "a", Domain: "x.test"}, ID: "1", Date: time.Now(), EnvelopeID: strings.Repeat("e", 1000), SMTPUTF8: utf8,
				Open: func() (io.ReadCloser, error) {
					return io.NopCloser(strings.NewReader("Subject: " + strings.Repeat("s", 900) + "\r\nMessage-ID: <" + strings.Repeat("m", 900) + "@x>\r\n\r\nhi\r\n")), nil
				}, Size: 100,
			}
			n.Recipients = []NoticeRecipient{{
				Final: smtp.Address{Local: strings.Repeat("l", 64), Domain: "x.test"}, Action: Failed, Reply: smtp.NewReply(550, smtp.EnhancedCode{5, 1, 1}, long),
				Original: smtp.RcptParams{OriginalType: "rfc822", OriginalAddress: strings.Repeat("o", smtp.MaxOriginalRecipient)}, RemoteMTA: strings.Repeat("m", 255), LogID: "x",
			}}
			var b bytes.Buffer
			if _, err := n.WriteTo(&b); err != nil {
				t.Fatal(err)
			}
			for _, l := range strings.Split(b.String(), "\r\n") {
				if len(l) > 998 {
					t.Errorf("%v %.20q: line of %d octets: %.60q", utf8, long, len(l), l)
				}
				if strings.ContainsAny(l, "\r\n\x00") {
					t.Errorf("bare: %.60q", l)
				}
				if !utf8 && strings.ContainsFunc(l, func(r rune) bool { return r > 126 }) {
					t.Errorf("8 bit: %.60q", l)
				}
			}
		}
	}
}
