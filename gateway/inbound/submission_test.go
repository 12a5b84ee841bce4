package inbound

import (
	"context"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway"
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

func TestFixupsTakeAwayWhatMustNotLeave(t *testing.T) {
	e, q := newSubmission(t)
	e.submit(user, "u@example.org", "Return-Path: <a@b.test>\r\nBcc: secret@else.test\r\nresent-bcc: s\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\nMessage-ID: <a@b>\r\n"+own, "x@else.test")
	if s := q.texts[0]; strings.Contains(s, "secret") || strings.Contains(s, "Return-Path") || strings.Contains(s, "esent-") ||
		strings.Count(s, "Message-ID:") != 1 || strings.Count(s, "Date:") != 1 {
		t.Error(s)
	}
	e.submit(user, "u@example.org", "From u@example.org Mon Nov 23 06:00:00 2026\r\n>From u@example.org Mon Nov 23 06:00:00 2026\r\n"+own, "x@else.test")
	if s := q.texts[1]; strings.Contains(s, "From u@") || !strings.Contains(s, "From:") {
		t.Error(s)
	}
	e.submit(user, "u@example.org", "From: u@example.org, u.two@example.org\r\n\r\nx\r\n", "x@else.test")
	e.submit(user, "u@example.org", "From: u@example.org, u.two@example.org\r\nSender: u.two@example.org\r\n\r\nx\r\n", "x@else.test")
	if none, one := q.texts[2], q.texts[3]; !strings.Contains(none, "\r\nSender: <u@example.org>\r\n") || strings.Count(one, "Sender:") != 1 {
		t.Error(none, one)
	}
	e.submit(user, "u@example.org", "Message-ID: \r\nDate:\r\nDate:\r\n \r\n"+own, "x@else.test")
	if s := q.texts[4]; strings.Count(s, "Message-ID: <01") != 1 || strings.Count(s, "Message-ID:") != 1 || strings.Count(s, "Date: ") != 1 || strings.Count(s, "Date:") != 1 {
		t.Error("empty fields: " + s)
	}
	e.also(func(o *Options) { o.Submission.Fixups = false })
	e.submit(user, "u@example.org", own, "x@else.test")
	if s := q.texts[5]; strings.Contains(s, "Message-ID:") || strings.Contains(s, "Date:") {
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
	if who.User != "" || r.Code != 535 || !strings.HasSuffix(r.Text, " (see "+s.(*session).id+")") || err != nil || s.(*session).info.Submitted() {
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

// TestAnAddressBeyondASCIINeedsNoSMTPUTF8: our own Received field is in ASCII
// where the message is, so that servers without SMTPUTF8 can have it: the
// address may be an alias of somebody there.
func TestAnAddressBeyondASCIINeedsNoSMTPUTF8(t *testing.T) {
	for to, want := range map[string]string{"x@b\u00fccher.example": "for <x@xn--bcher-kva.example>", "j\u00f6rg@else.test": "id "} {
		e, q := newSubmission(t)
		e.params = smtp.MailParams{SMTPUTF8: true}
		if got := last(e.submit(user, "u@example.org", own, to)); got[:3] != "250" {
			t.Fatal(got)
		}
		if c := q.copies[0]; !strings.Contains(q.texts[0], want) || c.UTF8Header {
			t.Errorf("%s: %v\n%s", to, c.UTF8Header, q.texts[0])
		}
	}
}
