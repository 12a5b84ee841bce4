package report

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// A notice about any status says something to people, and is read again as it
// was meant, whatever the server said beside it.
func TestEveryStatus(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "no", "x\r\n\r\nFinal-Recipient: rfc822; ceo@customer.example\r\nAction: failed\r\nStatus: 5.1.1", "\n--=_b\nContent-Type: text/plain\n", strings.Repeat("long ", 5000), "ñandú \xff\x00"} {
		for class := uint16(4); class <= 5; class++ {
			for subject := uint16(0); subject <= 9; subject++ {
				for detail := uint16(0); detail <= 30; detail += 3 {
					checkStatus(t, smtp.EnhancedCode{class, subject, detail}, text)
				}
			}
		}
	}
}

func checkStatus(t *testing.T, code smtp.EnhancedCode, text string) {
	t.Helper()
	at := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	action, reply := Failed, 550
	if code[0] == 4 {
		action, reply = Delayed, 450
	}
	n := Notice{
		ReportingMTA: "gw.test", To: smtp.Address{Local: "a", Domain: "from.test"}, ID: "01ABC", Date: at,
		Recipients: []NoticeRecipient{{Final: smtp.Address{Local: "b", Domain: "d.test"}, Action: action, RemoteMTA: "mx.d.test", Reply: smtp.NewReply(reply, code, text), WillRetryUntil: at.Add(time.Hour)}},
	}
	var b bytes.Buffer
	if _, err := n.WriteTo(&b); err != nil {
		t.Fatalf("%s: %v", code, err)
	}
	head, body := message.Split(b.Bytes())
	h, err := message.ParseHeader(head, message.HeaderLimits{})
	if err != nil {
		t.Fatal(err)
	}
	d, err := ReadDSN(h, bytes.NewReader(body))
	if err != nil || d.Kind != Bounce || !d.Standard || len(d.Recipients) != 1 {
		t.Fatalf("%s %.20q: %+v, %v\n%s", code, text, d, err, b.String())
	}
	r := d.Recipients[0]
	if r.Address != "b@d.test" || r.Action != action || r.Status != code && !strings.Contains(text, "5.1.1") || r.Hard && action == Delayed || r.RemoteMTA != "mx.d.test" || r.Reply != reply || r.Reason == "" {
		t.Errorf("%s %.20q: %+v", code, text, r)
	}
	for i, line := range strings.Split(b.String(), "\r\n") {
		if len(line) > 998 || strings.ContainsAny(line, "\r\n\x00") {
			t.Fatalf("%s %.20q: line %d: %.60q", code, text, i, line)
		}
	}
}

// Mail that was given up after a time has its own status of a passing trouble.
func TestGivenUpKeepsItsStatus(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		action Action
		code   smtp.EnhancedCode
		want   smtp.EnhancedCode
	}{
		{Failed, smtp.EnhancedCode{4, 4, 7}, smtp.EnhancedCode{4, 4, 7}},
		{Failed, smtp.EnhancedCode{2, 1, 5}, smtp.EnhancedCode{5, 1, 5}},
		{Delayed, smtp.EnhancedCode{5, 1, 1}, smtp.EnhancedCode{4, 1, 1}},
		{Delivered, smtp.EnhancedCode{4, 1, 1}, smtp.EnhancedCode{2, 1, 1}},
	} {
		r := NoticeRecipient{Action: c.action, Reply: smtp.NewReply(450, c.code, "x")}
		if got := r.status(); got != c.want {
			t.Errorf("%s %s: %s, want %s", c.action, c.code, got, c.want)
		}
	}
}
