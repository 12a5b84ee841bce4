package inbound

import (
	"context"
	"errors"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/mailauth"
	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/pipeline"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// newSubmission is an environment with a queue, accounts and a network of
// machines that may relay; queued.test is queued.
func newSubmission(t *testing.T) (*env, *queue) {
	e, q := newEnv(t), &queue{}
	e.relay = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	e.keys = []string{"example.org", "two.test", "queued.test"}
	e.opt = func(o *Options) {
		o.Queue, o.Accounts, o.Queued = q, accounts{}, map[string]bool{"queued.test": true}
		o.Submission = DefaultSubmission()
	}
	return e, q
}

// also changes options after those of newSubmission.
func (e *env) also(f func(*Options)) {
	first := e.opt
	e.opt = func(o *Options) { first(o); f(o) }
}

const own = "From: U <u@example.org>\r\nTo: x@else.test\r\nSubject: hi\r\n\r\nHello\r\n"

func TestUsersSendToTheWorldByTheQueue(t *testing.T) {
	e, q := newSubmission(t)
	replies := e.submit(user, "u@example.org", own, "x@else.test", "y@other.test")
	if got := last(replies); !strings.HasPrefix(got, "250 2.0.0 queued (") {
		t.Error(got)
	}
	if q.sent() != "outbound: x@else.test y@other.test" || strings.Join(q.events, " ") != "commit outbound" {
		t.Errorf("%s; %v", q.sent(), q.events)
	}
	if c := q.copies[0]; c.User != "u@example.org" || c.From.String() != "u@example.org" || c.Rcpts[0].Route != "outbound" {
		t.Errorf("%+v", c)
	}
	for _, want := range []string{
		`(?m)^Received: from client\.test \(unknown \[192\.0\.2\.9\]\)\r\n\tby mx\.test \(Gapura\) with ESMTPA id `,
		`(?m)^Date: .*\r$`, `(?m)^Message-ID: <01[a-z0-9]{24}@mx\.test>\r$`, `\r\n\r\nHello\r\n$`,
	} {
		if !regexp.MustCompile(want).MatchString(q.texts[0]) {
			t.Errorf("no %s in %s", want, q.texts[0])
		}
	}
}

func TestUsersWriteAsThemselves(t *testing.T) {
	for _, c := range []struct{ from, header, want string }{
		{"u@example.org", "From: u@example.org\r\n", "250"},
		{"u@EXAMPLE.org", "From: u@example.org\r\n", "250"},
		{"u.sales@example.org", "From: u@example.org, u.two@example.org\r\n", "250"},
		{"boss@example.org", "From: u@example.org\r\n", "550 5.7.1 You may not send from this address: boss@example.org (see 01"},
		{"trouble@example.org", "From: u@example.org\r\n", "451 4.3.0 Local error"},
		{"u@example.org", "From: boss@example.org\r\n", "550 5.7.1 You may not send with this address in From: boss@example.org (see 01"},
		{"u@example.org", "From: u@other.test\r\n", "550 5.7.1 You may not send with this address in From: u@other.test"},
		{"u@example.org", "From: trouble@example.org\r\n", "451 4.3.0 Local error"},
		{"u@example.org", "From: U <u@example.org>, boss@example.org\r\n", "550 5.7.1 You may not send with"},
		{"u@example.org", "From: u@example.org\r\nFrom: boss@example.org\r\n", "550 5.7.1 You may not send with"},
		{"u@example.org", "From: boss@example.org\r\nSender: u@example.org\r\n", "550 5.7.1"},
		{"u@example.org", "From: u@example.org <boss@example.org>\r\n", "550 5.7.1"},
		{"u@example.org", "From: u@example.org <boss@example.org\r\n", "550 5.6.0 The From field"},
		{"u@example.org", "From: nobody:;\r\n", "550 5.6.0"},
		{"u@example.org", "From: " + strings.Repeat("u@example.org, ", 10) + "u@example.org\r\n", "550 5.6.0 The From field of the message has too many"},
		{"u@example.org", "Subject: x\r\n", "250"}, // From is added
		{"u@example.org", "From: u@example.org\r\nSender: u.two@example.org\r\n", "250"},
		{"u@example.org", "From: u@example.org\r\nSender: boss@example.org\r\n", "550 5.7.1 You may not send with this address in Sender: boss@example.org (see 01"},
		{"u@example.org", "From: u@example.org\r\nSender: u@example.org\r\nSender: boss@example.org\r\n", "550 5.7.1 You may not send with this address in Sender"},
		{"u@example.org", "From: u@example.org\r\nSender: u@example.org boss@example.org\r\n", "550 5.7.1 You may not send with this address in Sender"},
		{"u@example.org", "From: u@example.org\r\nSender: trouble@example.org\r\n", "451 4.3.0 Local error"},
		{"", "From: u@example.org\r\n", "550 5.7.1 Mail without a sender"},
		{"", "From: u@example.org\r\nAuto-Submitted: no\r\n", "550 5.7.1 Mail without a sender"},
		{"", "From: u@example.org\r\nAuto-Submitted: auto-replied; x=y\r\n", "250"},
		{"", "From: u@example.org\r\nContent-Type: Multipart/Report; report-type=disposition-notification\r\n", "250"},
		{"", "From: boss@example.org\r\nAuto-Submitted: auto-replied\r\n", "550 5.7.1 You may not"},
		{"", "Auto-Submitted: auto-replied\r\n", "550 5.6.0 The message has no From"},
	} {
		e, q := newSubmission(t)
		got := last(e.submit(user, c.from, c.header+"Subject: x\r\n\r\nx\r\n", "x@else.test"))
		if !strings.HasPrefix(got, c.want) {
			t.Errorf("<%s>, %q: %s; want %s", c.from, c.header, got, c.want)
		}
		if sent := q.sent() != ""; sent != (c.want == "250") {
			t.Errorf("<%s>, %q: sent %v", c.from, c.header, sent)
		}
	}
}

// TestFromOfOthersWithSender: a secretary, where that is allowed.
func TestFromOfOthersWithSender(t *testing.T) {
	for _, c := range []struct{ header, want, sender string }{
		{"From: boss@example.org\r\n", "250", "Sender: <u@example.org>\r\n"},
		{"From: boss@example.org\r\nSender: u.two@example.org\r\n", "250", ""},
		{"From: boss@example.org\r\nSender: boss@example.org\r\n", "550 5.7.1", ""},
		{"From: boss@example.org\r\nSender: u@example.org, u@example.org\r\n", "550 5.7.1", ""},
		{"From: boss@example.org\r\nSender: u@example.org\r\nSender: boss@example.org\r\n", "550 5.7.1", ""},
		{"From: u@example.org\r\n", "250", ""},
	} {
		e, q := newSubmission(t)
		e.also(func(o *Options) { o.Submission.CheckFrom = CheckFromSender })
		got := last(e.submit(user, "u@example.org", c.header+"\r\nx\r\n", "x@else.test"))
		if !strings.HasPrefix(got, c.want) {
			t.Errorf("%q: %s", c.header, got)
		}
		if c.want == "250" && (strings.Count(q.texts[0], "Sender: <u@") != min(len(c.sender), 1)) {
			t.Errorf("%q: %s", c.header, q.texts[0])
		}
	}
	e, _ := newSubmission(t)
	e.also(func(o *Options) { o.Submission.CheckFrom = CheckFromAny })
	if got := last(e.submit(user, "u@example.org", "From: a@b.test\r\n\r\nx\r\n", "x@else.test")); got[:3] != "250" {
		t.Error(got)
	}
}

// TestMachinesWriteAsTheyWill: networks.relay, without login.
func TestMachinesWriteAsTheyWill(t *testing.T) {
	e, q := newSubmission(t)
	for _, from := range []string{"root@machine.test", ""} {
		if got := last(e.submit(machine, from, "Subject: cron\r\n\r\nx\r\n", "x@else.test")); got[:3] != "250" {
			t.Error(got)
		}
	}
	if len(q.copies) != 2 || q.copies[0].User != "" || !strings.Contains(q.texts[0], "From: <root@machine.test>\r\n") || strings.Contains(q.texts[1], "\r\nFrom:") {
		t.Errorf("%q", q.texts)
	}
}

func TestFixupsTakeAwayWhatMustNotLeave(t *testing.T) {
	e, q := newSubmission(t)
	e.submit(user, "u@example.org", "Return-Path: <a@b.test>\r\nBcc: secret@else.test\r\nresent-bcc: s\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\nMessage-ID: <a@b>\r\n"+own, "x@else.test")
	if s := q.texts[0]; strings.Contains(s, "secret") || strings.Contains(s, "Return-Path") || strings.Contains(s, "esent-") ||
		strings.Count(s, "Message-ID:") != 1 || strings.Count(s, "Date:") != 1 {
		t.Error(s)
	}
	e.also(func(o *Options) { o.Submission.Fixups = false })
	e.submit(user, "u@example.org", own, "x@else.test")
	if s := q.texts[1]; strings.Contains(s, "Message-ID:") || strings.Contains(s, "Date:") {
		t.Error(s)
	}
	// What strangers send is theirs.
	e, _ = newSubmission(t)
	e.submit(stranger, "a@b.test", "Bcc: x\r\n\r\nx\r\n", "u@example.org")
	if s := e.one.texts[0]; !strings.Contains(s, "Bcc: x") || strings.Contains(s, "Message-ID") {
		t.Error(s)
	}
}

func TestHiddenClients(t *testing.T) {
	e, q := newSubmission(t)
	e.also(func(o *Options) { o.Submission.HideClient = true })
	e.filters = []pipeline.Step{{Filter: named{}}}
	e.submit(user, "u@example.org", own, "x@else.test")
	if s := q.texts[0]; strings.Contains(s, "192.0.2.9") || strings.Contains(s, "client.test") || strings.Contains(s, "rdns.test") || !strings.HasPrefix(s, "Received: from localhost (local)\r\n\tby mx.test (Gapura) with ESMTPA id ") &&
		!strings.Contains(s, "\r\nReceived: from localhost (local)\r\n\tby mx.test (Gapura) with ESMTPA id ") {
		t.Error(s)
	}
	e.submit(stranger, "a@b.test", simple, "u@example.org")
	if s := e.one.texts[0]; !strings.Contains(s, "192.0.2.9") || !strings.Contains(s, "rdns.test") {
		t.Error(s)
	}
}

// named is a filter that knows the client's name.
type named struct{}

func (named) Name() string { return "headers" }
func (named) Fields() []gateway.Field {
	return []gateway.Field{{Name: "headers.client_name", Type: gateway.String, Stage: gateway.StageMail, Doc: "x"}}
}

func (named) Check(_ context.Context, stage gateway.Stage, _ *gateway.Transaction) (v gateway.Verdict, _ error) {
	if stage == gateway.StageMail {
		v.Facts = []gateway.Fact{{Name: "headers.client_name", Value: "rdns.test"}}
	}
	return v, nil
}

func TestRecipientsThatCannotExist(t *testing.T) {
	for _, to := range []string{"a@localhost", "a@intranet", "a@x.invalid", "a@x.LOCALHOST", "a@x.onion", "a@[192.0.2.1]", "a@[IPv6:::1]", "a@10.0.0.1"} {
		e, q := newSubmission(t)
		if got := last(e.submit(user, "u@example.org", own, to)); !strings.HasPrefix(got, "550 5.1.2 ") || q.sent() != "" {
			t.Errorf("%s: %s", to, got)
		}
		e.also(func(o *Options) { o.Submission.CheckRecipients = false })
		if got := last(e.submit(user, "u@example.org", own, to)); got[:3] != "250" {
			t.Errorf("%s, unchecked: %s", to, got)
		}
	}
}

// hooks are a Quota, a Suppression and a Signer.
type hooks struct {
	asked []string
	fail  error
	full  string // "mail", "rcpt" or "take": refuses there
	grant Grant
	undo  int

	others []string
}

var over = smtp.NewReply(452, smtp.EnhancedCode{4, 7, 1}, "100 of 100 messages sent this hour")

func (h *hooks) say(what string) (smtp.Reply, error) {
	h.asked = append(h.asked, what)
	if h.full == strings.Fields(what)[0] {
		return over, h.fail
	}
	return smtp.Reply{}, h.fail
}

func (h *hooks) Mail(_ context.Context, s Sender) (smtp.Reply, error) {
	return h.say("mail " + s.User + " " + s.IP.String() + " " + s.From.String())
}

func (h *hooks) Rcpt(_ context.Context, s Sender, n int, to smtp.Address) (smtp.Reply, error) {
	if s.OverQuota {
		return h.say("rcpt again " + to.String())
	}
	return h.say("rcpt " + string(rune('0'+n)) + " " + to.String())
}

func (h *hooks) Take(_ context.Context, _ Sender, to []smtp.Address, size int64) (Grant, error) {
	r, err := h.say("take " + string(rune('0'+len(to))))
	g := h.grant
	g.Reply, g.Undo = r, func() { h.undo++ }
	return g, err
}

func (h *hooks) Suppressed(_ context.Context, _ Sender, to smtp.Address) (smtp.Reply, error) {
	if to.Local == "gone" {
		return smtp.NewReply(550, smtp.EnhancedCode{5, 1, 1}, "Mail to this address came back; gapura suppress remove lifts that"), nil
	}
	return smtp.Reply{}, nil
}

func (h *hooks) Active() bool { return h.grant.Hold == "" }

func (h *hooks) Form() mailauth.BodyForm {
	return mailauth.BodyForm{Canon: mailauth.Relaxed, Limit: -1}
}

func (h *hooks) Sign(_ context.Context, m *Unsigned) ([]byte, error) {
	h.others = m.Others
	if h.fail != nil {
		return nil, h.fail
	}
	if m.Body.Octets != 7 || m.Header.Count("Message-ID") != 1 || m.Header.Count("Received") != 1 || m.Header.Count("Bcc") != 0 {
		return nil, errors.New("that is not what leaves")
	}
	return []byte("DKIM-Signature: a\r\nDKIM-Signature: b\r\n"), nil
}

func TestQuotaIsAskedAndHeard(t *testing.T) {
	for full, want := range map[string]string{
		"":     "250 2.0.0 queued; 7 of 100 (",
		"mail": "452 4.7.1 100 of 100 messages sent this hour (see",
		"rcpt": "452 4.7.1 100 of 100",
		"take": "452 4.7.1 100 of 100",
	} {
		e, q := newSubmission(t)
		h := &hooks{full: full, grant: Grant{Text: "7 of 100"}}
		e.also(func(o *Options) { o.Quota = h })
		got := last(e.submit(user, "u@example.org", own, "x@else.test", "v@example.org"))
		if !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s", full, got)
		}
		if full == "" && strings.Join(h.asked, ", ") != "mail u@example.org 192.0.2.9 u@example.org, rcpt 0 x@else.test, rcpt 1 v@example.org, take 2" {
			t.Errorf("%q", h.asked)
		}
		if full == "rcpt" && strings.Join(h.asked[1:], ", ") != "rcpt 0 x@else.test, rcpt again v@example.org" {
			t.Errorf("%q", h.asked) // a message is over its quota once
		}
		if full != "" && (q.sent() != "" || len(e.one.texts) > 0) {
			t.Errorf("%s: sent", full)
		}
	}
	// Strangers have none.
	e, _ := newSubmission(t)
	h := &hooks{full: "mail", fail: errors.New("x")}
	e.also(func(o *Options) { o.Quota, o.Suppression, o.Signer = h, h, h })
	if got := last(e.submit(stranger, "a@b.test", simple, "u@example.org")); got[:3] != "250" || len(h.asked) > 0 {
		t.Errorf("%s, %q", got, h.asked)
	}
}

// TestQuotaHolds: everything goes to the queue then, and waits there.
func TestQuotaHolds(t *testing.T) {
	e, q := newSubmission(t)
	h := &hooks{grant: Grant{Hold: "too many first-time recipients"}}
	e.also(func(o *Options) { o.Quota = h })
	e.submit(user, "u@example.org", own, "x@else.test", "v@example.org")
	if q.sent() != "example.org: v@example.org; outbound: x@else.test" || q.copies[0].Queue.Hold != h.grant.Hold || len(e.one.texts) > 0 {
		t.Errorf("%s, %+v", q.sent(), q.copies)
	}
	q.commErr = errors.New("disk")
	e.submit(user, "u@example.org", own, "x@else.test")
	if h.undo != 1 {
		t.Errorf("counted back %d times", h.undo)
	}
}

// TestHooksThatFailDefer: nothing leaves unsigned or uncounted.
func TestHooksThatFailDefer(t *testing.T) {
	for name, set := range map[string]func(*Options, *hooks){
		"quota":  func(o *Options, h *hooks) { o.Quota = h },
		"signer": func(o *Options, h *hooks) { o.Signer = h },
	} {
		e, q := newSubmission(t)
		e.also(func(o *Options) { set(o, &hooks{fail: errors.New("secret")}) })
		if got := last(e.submit(user, "u@example.org", own, "x@else.test")); !strings.HasPrefix(got, "451 4.3.0 Local error") || q.sent() != "" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestSuppressedRecipientsAreRefused(t *testing.T) {
	e, q := newSubmission(t)
	e.also(func(o *Options) { o.Suppression = &hooks{} })
	replies := e.submit(user, "u@example.org", own, "gone@else.test", "x@else.test", "gone@example.org")
	if !strings.HasPrefix(replies[1].Error(), "550 5.1.1 Mail to this address came back") || replies[2].Code != 250 || replies[3].Code != 250 || q.sent() != "outbound: x@else.test" {
		t.Errorf("%v, %s", replies, q.sent())
	}
}

// TestSignaturesAreLastAndSharedByAllCopies.
func TestSignaturesAreLastAndSharedByAllCopies(t *testing.T) {
	e, q := newSubmission(t)
	e.also(func(o *Options) { o.Signer = &hooks{} })
	e.submit(user, "u@example.org", "Bcc: x\r\n"+own, "x@else.test", "v@example.org", "w@queued.test")
	if len(q.texts) != 2 || len(e.one.texts) != 1 || q.texts[0] != e.one.texts[0] || q.texts[1] != q.texts[0] ||
		!strings.HasPrefix(q.texts[0], "DKIM-Signature: a\r\nDKIM-Signature: b\r\nReceived: ") {
		t.Errorf("%q, %q", q.texts, e.one.texts)
	}
}

// TestNothingIsSignedWithoutKeys, nor hashed.
func TestNothingIsSignedWithoutKeys(t *testing.T) {
	e, q := newSubmission(t)
	e.also(func(o *Options) { o.Signer = &hooks{grant: Grant{Hold: "x"}, fail: errors.New("asked")} })
	if got := last(e.submit(user, "u@example.org", own, "x@else.test")); got[:3] != "250" || strings.Contains(q.texts[0], "DKIM") {
		t.Error(got)
	}
}

func TestParametersAreKeptFromWhomTheyAreTrusted(t *testing.T) {
	later := time.Now().Add(time.Hour)
	for _, c := range []struct {
		name     string
		who      client
		from     string
		auth     string
		priority int
		held     bool
	}{
		{"stranger", stranger, "a@b.test", "", 0, false},
		{"user", user, "u@example.org", "", 5, true},
		{"machine", machine, "a@b.test", "other@example.org", 5, true},
	} {
		e, q := newSubmission(t)
		a := path("other@example.org")
		e.params = smtp.MailParams{Auth: &a, Priority: 5, HoldUntil: later, RequireTLS: true}
		e.submit(c.who, c.from, own, "w@queued.test")
		if len(q.copies) != 1 {
			t.Fatal(c.name)
		}
		got := q.copies[0]
		if got.Params.Auth.String() != c.auth || got.Queue.Priority != c.priority || got.Params.HoldUntil.IsZero() == c.held || !got.Params.RequireTLS {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
	// What is to be held is queued, whatever the route.
	e, q := newSubmission(t)
	e.params = smtp.MailParams{HoldFor: time.Hour}
	e.submit(user, "u@example.org", own, "v@example.org")
	if q.sent() != "example.org: v@example.org" || len(e.one.texts) > 0 {
		t.Error(q.sent())
	}
}

// TestPolicyRulesTheQueue.
func TestPolicyRulesTheQueue(t *testing.T) {
	e, q := newSubmission(t)
	e.params.Priority = 2
	e.policy = func(stage gateway.Stage, tx *gateway.Transaction) []gateway.Disposition {
		if stage != gateway.StageSubmission {
			t.Errorf("asked at %v", stage)
		}
		ds := make([]gateway.Disposition, len(tx.Rcpts))
		ds[0].Queue = gateway.Queueing{Lane: "bulk", Priority: -3}
		return ds
	}
	e.submit(user, "u@example.org", own, "x@else.test", "y@else.test")
	if len(q.copies) != 2 || q.copies[0].Queue == q.copies[1].Queue {
		t.Fatalf("%+v", q.copies)
	}
	for _, c := range q.copies {
		want := gateway.Queueing{Priority: 2}
		if c.Rcpts[0].To.Local == "x" {
			want = gateway.Queueing{Lane: "bulk", Priority: -3}
		}
		if c.Queue != want {
			t.Errorf("%+v", c.Queue)
		}
	}
}

// TestPolicyRefusalForSomeIsTheUsersToDecide: nothing is dropped silently,
// wherever in the envelope the one is who is refused.
func TestPolicyRefusalForSomeIsTheUsersToDecide(t *testing.T) {
	for _, c := range []struct{ to, want string }{
		{"reject ok", "550 5.7.1 not to reject"},
		{"ok reject", "550 5.7.1 not to reject"},
		{"ok reject defer", "451 4.7.1 not to defer"},
		{"discard ok reject", "550 5.7.1 not to reject"},
		{"discard reject", "550 5.7.1 not to reject"},
	} {
		e, q := newSubmission(t)
		e.policy = func(_ gateway.Stage, tx *gateway.Transaction) []gateway.Disposition {
			var ds []gateway.Disposition
			for _, r := range tx.Rcpts {
				d := gateway.Disposition{}
				switch r.To.Local {
				case "reject":
					d = gateway.Disposition{Action: gateway.Reject, Reply: smtp.NewReply(550, smtp.EnhancedCode{5, 7, 1}, "not to reject")}
				case "defer":
					d = gateway.Disposition{Action: gateway.Defer, Reply: smtp.NewReply(451, smtp.EnhancedCode{4, 7, 1}, "not to defer")}
				case "discard":
					d.Action = gateway.Discard
				}
				ds = append(ds, d)
			}
			return ds
		}
		var to []string
		for _, local := range strings.Fields(c.to) {
			to = append(to, local+"@else.test")
		}
		if got := last(e.submit(user, "u@example.org", own, to...)); !strings.HasPrefix(got, c.want) || q.sent() != "" {
			t.Errorf("%s: %s, %s", c.to, got, q.sent())
		}
	}
}

func TestAuthChangesNothingWhenItFails(t *testing.T) {
	e, _ := newSubmission(t)
	s, _ := e.session(stranger)
	who, r, err := s.(*session).Auth(t.Context(), "PLAIN", []byte("bad"), nil)
	if who != "" || r.Code != 535 || err != nil || s.(*session).info.Submitted() {
		t.Errorf("%q, %v, %v", who, r, err)
	}
	e.also(func(o *Options) { o.Accounts = nil })
	s, _ = e.session(stranger)
	if m := s.(*session).Mechanisms(s.(*session).client); m != nil {
		t.Error(m)
	}
}

// TestNoReportOnOurOwn: what filters found about the client stays here.
func TestNoReportOnOurOwn(t *testing.T) {
	e, q := newSubmission(t)
	e.filters = []pipeline.Step{{Filter: found{}}}
	e.submit(user, "u@example.org", own, "x@else.test")
	e.submit(stranger, "a@b.test", own, "w@queued.test")
	if strings.Contains(q.texts[0], "Authentication-Results") || !strings.Contains(q.texts[1], "Authentication-Results: mx.test;") {
		t.Errorf("%q", q.texts)
	}
}

// found is a filter with a result.
type found struct{}

func (found) Name() string            { return "found" }
func (found) Fields() []gateway.Field { return nil }
func (found) Check(_ context.Context, stage gateway.Stage, _ *gateway.Transaction) (v gateway.Verdict, _ error) {
	if stage == gateway.StageMail {
		v.Results = []message.AuthResult{{Method: "iprev", Result: "pass"}}
	}
	return v, nil
}

// TestSuccessIsToldByTheQueue: a backend may know nothing of it.
func TestSuccessIsToldByTheQueue(t *testing.T) {
	for _, c := range []struct {
		who    client
		notify smtp.Notify
		queued bool
	}{{user, smtp.NotifySuccess, true}, {user, smtp.NotifyFailure, false}, {stranger, smtp.NotifySuccess, false}} {
		e, q := newSubmission(t)
		s, _ := e.session(c.who)
		tx, _, err := s.Mail(t.Context(), smtp.ReversePath{Address: path("u@example.org")}, smtp.MailParams{})
		if err != nil {
			t.Fatal(err)
		}
		tx.Rcpt(t.Context(), smtp.ForwardPath{Address: path("v@example.org")}, smtp.RcptParams{Notify: c.notify})
		tx.Data(t.Context(), strings.NewReader(own))
		if queued := q.sent() != ""; queued != c.queued || (len(e.one.texts) == 0) != c.queued {
			t.Errorf("%+v: %s", c, q.sent())
		}
	}
}

// TestLoginOnPort25ForgetsTheStranger: what was found out about a stranger is
// no fact about a user.
func TestLoginOnPort25ForgetsTheStranger(t *testing.T) {
	for _, c := range []struct {
		who  client
		want bool
	}{{client{listener: "smtp", login: true}, false}, {stranger, true}} {
		e, _ := newSubmission(t)
		e.filters = []pipeline.Step{{Filter: listed{}, Mail: pipeline.Inbound}}
		var seen bool
		e.policy = func(stage gateway.Stage, tx *gateway.Transaction) []gateway.Disposition {
			if stage >= gateway.StageMessage {
				_, seen = tx.Facts.Get("listed.is")
			}
			return []gateway.Disposition{{}}
		}
		e.submit(c.who, "u@example.org", own, "v@example.org")
		if seen != c.want {
			t.Errorf("%+v: %v", c.who, seen)
		}
	}
}

// listed is a filter that finds something at once.
type listed struct{}

func (listed) Name() string            { return "listed" }
func (listed) Fields() []gateway.Field { return nil }
func (listed) Check(_ context.Context, stage gateway.Stage, _ *gateway.Transaction) (v gateway.Verdict, _ error) {
	if stage == gateway.StageConnect {
		v.Facts = []gateway.Fact{{Name: "listed.is", Value: true}}
	}
	return v, nil
}

// TestAnotherRouteKeepsWhatWasAsked: what a client asked to hold, or to be
// told of, is queued whatever route the policy finds in the end.
func TestAnotherRouteKeepsWhatWasAsked(t *testing.T) {
	for name, p := range map[string]smtp.MailParams{"hold": {HoldFor: time.Hour}, "": {}} {
		e, q := newSubmission(t)
		e.params = p
		e.policy = func(_ gateway.Stage, tx *gateway.Transaction) []gateway.Disposition {
			return []gateway.Disposition{{Route: "two.test"}}
		}
		got := last(e.submit(user, "u@example.org", own, "v@example.org"))
		if queued := q.sent() == "two.test: v@example.org"; queued != (name == "hold") || got[:3] != "250" {
			t.Errorf("%s: %s, %s", name, got, q.sent())
		}
	}
}

// TestWhoseDomainsSign: where others may be in From, the keys of domains in
// which the user has nothing do not vouch for it.
func TestWhoseDomainsSign(t *testing.T) {
	for _, c := range []struct{ check, from, others string }{
		{CheckFromSender, "boss@example.org", ""},
		{CheckFromSender, "u@example.org", ""},
		{CheckFromSender, "ceo@two.test, boss@example.org, a@else.test", "two.test else.test"},
		{CheckFromAny, "ceo@TWO.test", "TWO.test"},
		{CheckFromAny, "ceo@two.test, " + strings.Repeat("u@example.org, ", maxAuthors) + "a@else.test", "two.test example.org else.test"},
		{CheckFromAny, "trouble@two.test", "451"},
	} {
		e, _ := newSubmission(t)
		h := &hooks{}
		e.also(func(o *Options) { o.Signer, o.Submission.CheckFrom = h, c.check })
		got := last(e.submit(user, "u@example.org", "From: "+c.from+"\r\n\r\nHello\r\n", "x@else.test"))
		if c.others == "451" {
			if !strings.HasPrefix(got, "451") {
				t.Errorf("%s: %s", c.from, got)
			}
		} else if got[:3] != "250" || strings.Join(h.others, " ") != c.others {
			t.Errorf("%s %s: %s, %q", c.check, c.from, got, h.others)
		}
	}
}
