package e2e_test

import (
	"encoding/base64"
	"strings"
	"testing"
)

// bounce is what is read of a notification.
type bounce struct {
	Kind         string
	Standard     bool
	ReportingMTA string `json:"reporting_mta"`
	EnvelopeID   string `json:"envelope_id"`
	Recipients   []struct {
		Address, Action, Status, Reason string
		HardBounce                      bool
		Original                        string `json:"original_recipient"`
	}
	Original struct {
		MessageID string `json:"message_id"`
	}
}

// notified waits for what the user is told about a message, all of it.
func (s *sender) notified(t *testing.T, mark string, n int) []string {
	t.Helper()
	eventually(t, "notifications", func() bool { return len(s.home.find(mark)) >= n })
	return s.home.find(mark)
}

// login opens a connection as the user.
func (s *sender) login(t *testing.T) *client {
	t.Helper()
	c := dial(t, s.submits)
	c.startTLS(gapuraName)
	c.ok(235, "AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00"+annAddress+"\x00"+annPass)))
	return c
}

// emailScript reads a notification with Python's email.
const emailScript = `import sys, email, email.policy
m = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
parts = list(m.iter_parts())
status = parts[1].get_payload()
bad = [str(d) for p in m.walk() for d in p.defects]
print(m.get_content_type(), m.get_param('report-type'), [p.get_content_type() for p in parts][:2],
      m['Auto-Submitted'], [(b['Final-Recipient'], b['Action'], b['Status']) for b in status[1:]], bad)
`

// TestBouncesOfAPostfix: what a Postfix refuses comes back from us, what it
// takes and cannot deliver comes back from it; both are understood.
func TestBouncesOfAPostfix(t *testing.T) {
	t.Parallel()
	s := serveSender(t, "retry: [1h]", "", "")
	front, behind := s.o.take(t), s.o.take(t)
	startBackendAt(t, behind.addr, nil).set(func(string) error { return says(550, [3]int{5, 1, 1}, "No such user") }, nil)
	host, port, _ := strings.Cut(behind.addr, ":")
	_, gport, _ := strings.Cut(s.smtp, ":")
	farPostfix(t, s.o, "relay_domains = later.test\ntransport_maps = inline:{later.test=smtp:["+host+"]:"+port+"}\nrelayhost = [127.0.0.1]:"+gport+"\n", front.name)
	send := func(to, params string) letter {
		l := newLetter()
		l.plainly = true
		c := s.login(t)
		c.ok(250, "MAIL FROM:<"+annAddress+"> ENVID=env-7 RET=HDRS")
		c.ok(250, "RCPT TO:<"+to+">"+params)
		c.ok(354, "DATA")
		c.send(l.String() + ".\r\n")
		c.want(250)
		return l
	}
	l := send("nobody@"+front.name, " ORCPT=rfc822;someone@"+front.name)
	msg := s.notified(t, l.mark, 1)[0]
	d := parsed[bounce](t, "dsn", msg)
	if len(d.Recipients) != 1 || d.Kind != "bounce" || !d.Standard || d.ReportingMTA != gapuraName || d.EnvelopeID != "env-7" || !strings.Contains(d.Original.MessageID, l.mark) {
		t.Fatalf("%+v\n%s", d, msg)
	}
	if r := d.Recipients[0]; r.Address != "nobody@"+front.name || r.Action != "failed" || r.Status != "5.1.1" || !r.HardBounce || r.Reason != "no-mailbox" || r.Original != "someone@"+front.name {
		t.Errorf("%+v", r)
	}
	want := "multipart/report delivery-status ['text/plain', 'message/delivery-status'] auto-replied [('rfc822; nobody@" + front.name + "', 'failed', '5.1.1')] []"
	if got := strings.TrimSpace(pythonWith(t, msg, emailScript)); got != want {
		t.Errorf("Python reads\n%s\nwant\n%s\n%s", got, want, msg)
	}
	s.home.mu.Lock()
	if s.home.froms[len(s.home.froms)-1] != "" {
		t.Errorf("the notification is from %q", s.home.froms)
	}
	s.home.mu.Unlock()
}

// The rest of a Postfix's ways, kept apart so that each may fail by itself.
func TestBouncesAfterAcceptance(t *testing.T) {
	t.Parallel()
	s := serveSender(t, "retry: [1h]", "", "")
	front, behind := s.o.take(t), s.o.take(t)
	startBackendAt(t, behind.addr, nil).set(func(string) error { return says(550, [3]int{5, 1, 1}, "No such user") }, nil)
	host, port, _ := strings.Cut(behind.addr, ":")
	_, gport, _ := strings.Cut(s.smtp, ":")
	// front is the Postfix's by MX; it relays on to a server that refuses.
	p, err := newPostfixWith(folder(t), "mail.far.test", "relay_domains = "+front.name+"\ntransport_maps = inline:{"+front.name+"=smtp:["+host+"]:"+port+
		"}\nrelayhost = [127.0.0.1]:"+gport+"\n", front.addr+" inet n - n - - smtpd\n")
	if err != nil {
		missing(t, "%v", err)
	}
	p.showOnFailure(t)
	t.Cleanup(p.stop)
	if err := p.awaitPort(front.addr); err != nil {
		t.Fatal(err)
	}
	l := newLetter()
	if r := dial(t, s.smtp).mail(annAddress, "late@"+front.name, l.String()); r.code != 250 {
		t.Fatal(r)
	}
	msg := s.notified(t, l.mark, 1)[0]
	d := parsed[bounce](t, "dsn", msg)
	if len(d.Recipients) != 1 || d.ReportingMTA != "mail.far.test" || d.Recipients[0].Status != "5.1.1" || !d.Recipients[0].HardBounce || d.Recipients[0].Reason != "no-mailbox" {
		t.Errorf("%+v\n%s", d, msg)
	}
}

// TestNotificationsAsAsked: of success and delay to who asks, of nothing to
// who wants none, and none to the null sender.
func TestNotificationsAsAsked(t *testing.T) {
	t.Parallel()
	s := serveSender(t, "retry: [1s], warn: 2s, expire: 1m", "", "")
	fine, refusing, late := s.o.take(t), s.o.take(t), s.o.take(t)
	sink := startBackendAt(t, fine.addr, nil) // does not offer DSN: who relays to it tells
	startBackendAt(t, refusing.addr, nil).set(func(string) error { return says(550, [3]int{5, 7, 1}, "Not you") }, nil)
	lazy := startBackendAt(t, late.addr, nil)
	lazy.set(func(string) error { return says(451, [3]int{4, 3, 0}, "Later") }, nil)
	c := s.login(t)
	send := func(from, rcpts string) string {
		l := newLetter()
		l.plainly = true
		if from == "" {
			l.header = "Auto-Submitted: auto-replied\r\n"
		}
		c.ok(250, "MAIL FROM:<"+from+">")
		for _, r := range strings.Split(rcpts, "|") {
			c.ok(250, "RCPT TO:"+r)
		}
		c.ok(354, "DATA")
		c.send(l.String() + ".\r\n")
		c.want(250)
		return l.mark
	}
	success := send(annAddress, "<bob@"+fine.name+"> NOTIFY=SUCCESS,DELAY")
	delay := send(annAddress, "<bob@"+late.name+"> NOTIFY=SUCCESS,DELAY")
	never := send(annAddress, "<bob@"+refusing.name+"> NOTIFY=NEVER|<eve@"+late.name+"> NOTIFY=NEVER|<ann@"+fine.name+"> NOTIFY=NEVER")
	null := send("", "<bob@"+refusing.name+">|<bob@"+fine.name+"> NOTIFY=SUCCESS,FAILURE|<bob@"+late.name+"> NOTIFY=DELAY")
	failure := send(annAddress, "<bob@"+refusing.name+"> NOTIFY=SUCCESS|<ann@"+refusing.name+"> NOTIFY=FAILURE|<eve@"+refusing.name+">")

	check := func(mark string, action string, addresses ...string) {
		t.Helper()
		msg := s.notified(t, mark, 1)[0]
		d := parsed[bounce](t, "dsn", msg)
		if len(d.Recipients) != len(addresses) {
			t.Errorf("%s: %+v", action, d)
			return
		}
		for i, r := range d.Recipients {
			if r.Action != action || r.Address != addresses[i] {
				t.Errorf("want %s of %s: %+v", action, addresses[i], r)
			}
		}
	}
	check(success, "relayed", "bob@"+fine.name)
	check(failure, "failed", "ann@"+refusing.name, "eve@"+refusing.name)
	check(delay, "delayed", "bob@"+late.name)
	lazy.set(nil, nil)
	eventually(t, "late arrival", func() bool {
		return len(lazy.find(never)) == 1 && len(lazy.find(null)) == 1 && len(lazy.find(delay)) == 1
	})
	eventually(t, "two notifications", func() bool { return len(s.home.find(delay)) == 2 })
	eventually(t, "the queue to be empty", func() bool { return len(s.queued()) == 0 })
	for what, mark := range map[string]string{"NOTIFY=NEVER": never, "the null sender": null} {
		if n := len(s.home.find(mark)); n != 0 {
			t.Errorf("%d notifications about mail of %s", n, what)
		}
	}
	for mark, n := range map[string]int{success: 1, failure: 1, delay: 2} {
		if got := s.home.find(mark); len(got) != n {
			t.Errorf("%d notifications, want %d: %q", len(got), n, got)
		}
	}
	if len(sink.find(success)) != 1 {
		t.Error("not delivered")
	}
}
