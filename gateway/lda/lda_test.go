package lda

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/gateway/mailbox"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

func TestMailGoesWhereTheAddressSays(t *testing.T) {
	t.Parallel()
	junk := "X-Spam-Flag: YES\r\n" + hello
	for _, c := range []struct {
		name, detail, to, text, want string
	}{
		{"plain", DetailExisting, "ana@home.test", hello, "INBOX: 1"},
		{"case", DetailExisting, "ANA@home.test", hello, "INBOX: 1"},
		{"a folder that is there", DetailExisting, "ana+Archive@home.test", hello, "Archive: 1"},
		{"in other case", DetailExisting, "ana+archive@home.test", hello, "Archive: 1"},
		{"one that is not there", DetailExisting, "ana+lists@home.test", hello, "INBOX: 1"},
		{"made", DetailCreate, "ana+lists@home.test", hello, "lists: 1"},
		{"ignored", DetailIgnore, "ana+archive@home.test", hello, "INBOX: 1"},
		{"no level below", DetailCreate, `"ana+a/b"@home.test`, hello, "INBOX: 1"},
		{"junk", DetailExisting, "ana@home.test", junk, "Junk: 1"},
		{"junk before the detail", DetailExisting, "ana+archive@home.test", junk, "Junk: 1"},
		{"no junk", DetailExisting, "ana@home.test", strings.ReplaceAll(junk, "YES", "NO"), "INBOX: 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t, func(o *Options, _ *mailbox.Options) { o.Detail = c.detail })
			if got := e.deliver(copyOf("A", c.text, c.to)); got[0] != "250 2.0.0 Delivered" {
				t.Error(got)
			}
			if got := e.folders("ana@home.test"); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func TestEachRecipientHasItsReply(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	e.aliases["team@home.test"] = []string{"bob@home.test", "ana@home.test", "far@else.test"}
	e.aliases["bob@home.test"] = []string{"bob@home.test", "far@else.test"} // and keeps a copy
	got := e.deliver(copyOf("A", hello, "ana@home.test", "nobody@home.test", "bob@home.test", "trouble@home.test", "team@home.test"))
	want := []string{"250 2.0.0 Delivered", "550 5.1.1 No such user here", "250 2.0.0 Delivered", "451 4.3.0 Local error; try again later", "250 2.0.0 Delivered"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if a, b := e.folders("ana@home.test"), e.folders("bob@home.test"); a != "INBOX: 1" || b != "INBOX: 1" {
		t.Errorf("ana %s, bob %s: once each", a, b)
	}
	if len(e.queue.sent) != 1 || e.queue.sent[0].to != "<far@else.test>" || e.queue.sent[0].from != "<SRS0=you@home.test>" || e.queue.sent[0].text != hello {
		t.Errorf("%+v", e.queue.sent)
	}
}

func TestDeliveredOnceHoweverOftenTried(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	e.script("bob@home.test", `require "copy"; redirect :copy "far@else.test";`)
	for range 3 {
		e.deliver(copyOf("A", hello, "ana@home.test", "bob@home.test"))
	}
	if a, b := e.folders("ana@home.test"), e.folders("bob@home.test"); a != "INBOX: 1" || b != "INBOX: 1" || len(e.queue.sent) != 1 {
		t.Errorf("ana %s, bob %s, %d sent", a, b, len(e.queue.sent))
	}
	if e.deliver(copyOf("B", hello, "ana@home.test")); e.folders("ana@home.test") != "INBOX: 2" {
		t.Error("another transaction is another message")
	}
}

func TestFieldsOfFinalDelivery(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	c := copyOf("A", hello, "ana@home.test")
	c.Rcpts[0].Params = smtp.RcptParams{OriginalType: "rfc822", OriginalAddress: "info@home.test"}
	e.deliver(c)
	text, _ := e.message("ana@home.test", "INBOX")
	if want := "Return-Path: <you@else.test>\r\nDelivered-To: ana@home.test\r\nX-Original-To: info@home.test\r\n" + hello; text != want {
		t.Errorf("%q", text)
	}
	c = copyOf("B", hello, "ana@home.test", "bob@home.test") // nobody's business who else got it
	c.From = smtp.ReversePath{}
	e.deliver(c)
	if text, _ := e.message("ana@home.test", "INBOX"); text != "Return-Path: <>\r\n"+hello {
		t.Errorf("%q", text)
	}
	c = copyOf("C", hello, "ana@home.test") // there may have been others that go elsewhere
	c.PerRcpt = false
	e.deliver(c)
	if text, _ := e.message("ana@home.test", "INBOX"); text != "Return-Path: <you@else.test>\r\n"+hello {
		t.Errorf("%q", text)
	}
}

func TestFullMailboxes(t *testing.T) {
	t.Parallel()
	for _, full := range []string{FullDefer, FullRefuse} {
		e := newEnv(t, func(o *Options, m *mailbox.Options) {
			o.Full = full
			m.Only = map[string]mailbox.Limits{"ana@home.test": {Messages: 1}, "bob@home.test": {Octets: 100}}
		})
		want := map[string]string{FullDefer: "452 4.2.2 The mailbox is full", FullRefuse: "552 5.2.2 The mailbox is full"}[full]
		e.deliver(copyOf("A", hello, "ana@home.test"))
		got := e.deliver(copyOf("B", hello, "ana@home.test", "eve@home.test", "bob@home.test"))
		if !slices.Equal(got, []string{want, "250 2.0.0 Delivered", want}) {
			t.Errorf("%s: %q", full, got)
		}
		if e.folders("eve@home.test") != "INBOX: 1" {
			t.Error("who has room does not get it")
		}
		verify := func(to string, size int64) string {
			r, err := e.Verify(t.Context(), smtp.ReversePath{}, smtp.MailParams{Size: size}, smtp.ForwardPath{Address: addr(to)}, smtp.RcptParams{})
			if err != nil {
				t.Fatal(err)
			}
			return r.Error()
		}
		if verify("ana@home.test", 0) != want || verify("bob@home.test", 5000) != want || verify("eve@home.test", 5000)[:3] != "250" {
			t.Errorf("at RCPT: %s, %s, %s", verify("ana@home.test", 0), verify("bob@home.test", 5000), verify("eve@home.test", 5000))
		}
	}
}

func TestPostmasterIsReachable(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	who := func() string {
		list, err := e.resolve(t.Context(), addr("Postmaster@home.test"))
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, x := range list {
			names = append(names, x.Address.String())
		}
		return strings.Join(names, " ")
	}
	if who() != "ana@home.test" {
		t.Errorf("by default %q, not the first user", who())
	}
	e.opt.Postmaster = "far@else.test"
	if who() != "far@else.test" {
		t.Errorf("of all domains: %q", who())
	}
	e.Postmasters = map[string]string{"home.test": "bob@home.test"}
	if who() != "bob@home.test" {
		t.Errorf("of the domain: %q", who())
	}
	e.Postmasters["home.test"] = "gone@home.test"
	if who() != "ana@home.test" {
		t.Errorf("where that one is nobody: %q", who())
	}
	e.Postmasters["home.test"] = "postmaster@home.test"
	if who() != "ana@home.test" {
		t.Errorf("where it is itself: %q", who())
	}
	e.aliases["Postmaster@home.test"] = []string{"eve@home.test"}
	if who() != "eve@home.test" {
		t.Errorf("an alias wins: %q", who())
	}
}

func TestBrokenReaderStoresNothing(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	c := copyOf("A", hello, "ana@home.test")
	c.Size += 5
	if got := e.deliver(c); got[0][:3] != "451" {
		t.Error(got)
	}
	e.queue.err = errors.New("the disk is full")
	e.script("bob@home.test", `redirect "far@else.test";`)
	if got := e.deliver(copyOf("B", hello, "bob@home.test")); got[0][:3] != "451" {
		t.Error(got)
	}
	if a, b := e.folders("ana@home.test"), e.folders("bob@home.test"); a+b != "" {
		t.Errorf("ana %s, bob %s", a, b)
	}
	e.queue.err = nil // the sender comes again with the same transaction
	if got := e.deliver(copyOf("B", hello, "bob@home.test")); got[0][:3] != "250" || len(e.queue.sent) != 1 {
		t.Error(got, e.queue.sent)
	}
}
