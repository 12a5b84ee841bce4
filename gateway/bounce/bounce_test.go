package bounce

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/queue"
	"github.com/gapura-mail/gapura/gateway/report"
	"github.com/gapura-mail/gapura/gateway/returnpath"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/suppress"
)

// noted is a Suppressor that keeps what it hears.
type noted struct {
	events []suppress.Event
	sent   map[string]bool
}

func (n *noted) Sent(_ context.Context, domain, address string) { n.sent[domain+" "+address] = true }

func (n *noted) WasSent(_ context.Context, domain, address string) bool {
	return n.sent[domain+" "+address]
}

func (n *noted) Note(_ context.Context, v suppress.Event) (bool, error) {
	n.events = append(n.events, v)
	return true, nil
}

func (n *noted) String() string {
	var all []string
	for _, v := range n.events {
		kind := "bounce"
		if v.Complaint {
			kind = "complaint"
		}
		all = append(all, fmt.Sprintf("%s %s to %s by %s about %s: %s", kind, v.Sender, v.Address, v.Source, v.About, v.Detail))
	}
	n.events = nil
	return strings.Join(all, "\n")
}

func newBounces(t testing.TB, change func(*Options)) (*Bounces, *noted) {
	t.Helper()
	s, err := returnpath.New([]returnpath.Key{{ID: 1, Secret: bytes.Repeat([]byte{7}, 32)}}, 10)
	if err != nil {
		t.Fatal(err)
	}
	opt := DefaultOptions()
	opt.Sign, opt.Feedback = true, []string{"fbl@example.org"}
	if change != nil {
		change(&opt)
	}
	if err := opt.Check(); err != nil {
		t.Fatal(err)
	}
	n := &noted{sent: map[string]bool{}}
	b, err := New(opt, Deps{Signer: s, Suppress: n, Ours: func(d string) bool { return d == "example.org" || d == "two.test" }})
	if err != nil {
		t.Fatal(err)
	}
	return b, n
}

func addr(t testing.TB, s string) smtp.Address {
	t.Helper()
	a, err := smtp.ParseMailbox(s, smtp.UTF8)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func from(t testing.TB, s string) smtp.ReversePath {
	t.Helper()
	if s == "" {
		return smtp.ReversePath{}
	}
	return smtp.ReversePath{Address: addr(t, s)}
}

func give(t testing.TB, r Returned, msg string) {
	t.Helper()
	head, body := message.Split([]byte(strings.ReplaceAll(msg, "\n", "\r\n")))
	h, err := message.ParseHeader(head, message.HeaderLimits{})
	if err != nil {
		t.Fatal(err)
	}
	r.Read(t.Context(), h, bytes.NewReader(body))
}

// dsn is a report of our own about recipients with replies.
func dsn(t testing.TB, replies map[string]smtp.Reply) string {
	t.Helper()
	n := report.Notice{
		ReportingMTA: "mx.far.example", To: addr(t, "ana@example.org"), ID: "R1", Date: time.Now(), EnvelopeID: "E1", MaxReturn: -1,
		Open: func() (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader("Message-ID: <m1@example.org>\r\n\r\n")), nil
		},
	}
	for to, r := range replies {
		n.Recipients = append(n.Recipients, report.NoticeRecipient{Final: addr(t, to), Action: report.Failed, Reply: r})
	}
	var b bytes.Buffer
	if _, err := n.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(b.String(), "\r\n", "\n")
}

var (
	gone = smtp.NewReply(550, smtp.EnhancedCode{5, 1, 1}, "unknown user")
	full = smtp.NewReply(552, smtp.EnhancedCode{5, 2, 2}, "mailbox full")
)

// next records jobs and answers each recipient.
type next struct {
	jobs []*queue.Job
	say  map[string]queue.Outcome
}

func (n *next) Deliver(_ context.Context, j *queue.Job) (outs []queue.Outcome) {
	n.jobs = append(n.jobs, j)
	for _, r := range j.Rcpts {
		o, ok := n.say[r.To.String()]
		if !ok {
			o.Result = queue.Delivered
		}
		outs = append(outs, o)
	}
	return outs
}

func job(t testing.TB, sender string, to ...string) *queue.Job {
	j := &queue.Job{ID: "J1", From: from(t, sender)}
	for _, a := range to {
		j.Rcpts = append(j.Rcpts, gateway.Recipient{To: smtp.ForwardPath{Address: addr(t, a)}})
	}
	return j
}

func TestMailLeavesSignedAndComesBack(t *testing.T) {
	t.Parallel()
	b, n := newBounces(t, nil)
	x := &next{}
	j := job(t, "ana@example.org", "bob@far.example", "eve@far.example")
	if outs := b.Transport(x).Deliver(t.Context(), j); len(outs) != 2 || len(x.jobs) != 1 || j.From.String() != "ana@example.org" {
		t.Fatalf("%v %v", outs, x.jobs)
	}
	signed := x.jobs[0].From
	if !strings.HasPrefix(signed.Local, "prvs=") || signed.Domain != "example.org" {
		t.Fatalf("left as %s", signed)
	}
	r := b.Return(from(t, ""), signed.Address, false)
	if r.To.String() != "ana@example.org" || r.Read == nil || r.Outbound || r.Discard || !r.Reply.IsZero() {
		t.Fatalf("%+v", r)
	}
	give(t, r, dsn(t, map[string]smtp.Reply{"bob@far.example": gone}))
	if got, want := n.String(), "bounce example.org to bob@far.example by dsn about E1: 550 5.1.1 unknown user"; got != want {
		t.Errorf("noted %q, want %q", got, want)
	}
	give(t, r, dsn(t, map[string]smtp.Reply{"bob@far.example": full}))
	give(t, r, "From: bob@far.example\nAuto-Submitted: auto-replied\n\nI am away.\n")
	give(t, r, "From: bob@far.example\n\nHello\n")
	if got := n.String(); got != "" {
		t.Errorf("noted %q", got)
	}
	// A person answers to it: that goes through, and is not read.
	if r := b.Return(from(t, "bob@far.example"), signed.Address, false); r.To.String() != "ana@example.org" || r.Read != nil {
		t.Errorf("%+v", r)
	}
}

func TestWhatIsNotOursStaysAsItIs(t *testing.T) {
	t.Parallel()
	b, _ := newBounces(t, nil)
	x := &next{}
	for _, sender := range []string{"", "ann@else.test"} {
		b.Transport(x).Deliver(t.Context(), job(t, sender, "bob@far.example"))
		if got := x.jobs[len(x.jobs)-1].From; got != from(t, sender) {
			t.Errorf("%q left as %s", sender, got)
		}
	}
	foreign := smtp.Address{Local: "prvs=1234567890=ann", Domain: "else.test"}
	for _, a := range []smtp.Address{foreign, addr(t, "ana@example.org"), addr(t, "ana+v1234567890=b=c.example@example.org"), {Local: "SRS0=ABCDEF=AB=x.example=y", Domain: "else.test"}} {
		if r := b.Return(from(t, ""), a, false); r.Read != nil || !r.To.IsZero() || !r.Reply.IsZero() {
			t.Errorf("%s: %+v", a, r)
		}
	}
	foreign.Domain = "example.org"
	if r := b.Return(from(t, ""), foreign, false); r.Reply.Code != 550 {
		t.Errorf("forged: %+v", r)
	}
	b, _ = newBounces(t, func(o *Options) { o.Domains = []string{"two.test"} })
	b.Transport(x).Deliver(t.Context(), job(t, "ana@example.org", "bob@far.example"))
	if got := x.jobs[len(x.jobs)-1].From.String(); got != "ana@example.org" {
		t.Errorf("a domain that does not sign left as %s", got)
	}
}

func TestUnsignedBouncesAreRefused(t *testing.T) {
	t.Parallel()
	for _, refuse := range []bool{false, true} {
		b, _ := newBounces(t, func(o *Options) { o.RefuseUnsigned = refuse })
		for _, c := range []struct {
			from, to string
			ours     bool
			refused  bool
		}{
			{"", "ana@example.org", false, refuse},
			{"", "ana@example.org", true, false},
			{"x@far.example", "ana@example.org", false, false},
			{"", "postmaster@example.org", false, false},
			{"", "PostMaster@example.org", false, false},
			{"", "Abuse@example.org", false, false},
			{"", "ana@else.test", false, false},
			// What has no room for a signature, or cannot have one, leaves without.
			{"", strings.Repeat("a", 60) + "@example.org", false, false},
			{"", "jörg@example.org", false, false},
			{"", `"a b"@example.org`, false, false},
		} {
			if r := b.Return(from(t, c.from), addr(t, c.to), c.ours); !r.Reply.IsZero() != c.refused {
				t.Errorf("refuse_unsigned %v: %+v: %+v", refuse, c, r)
			}
		}
	}
}

func TestVERPTellsTheRecipient(t *testing.T) {
	t.Parallel()
	b, n := newBounces(t, func(o *Options) { o.VERP, o.DiscardVERP = []string{"bulk"}, true })
	x := &next{say: map[string]queue.Outcome{"eve@far.example": {Result: queue.Deferred}}}
	j := job(t, "news@example.org", "bob@far.example", "eve@far.example", strings.Repeat("long", 14)+"@far.example")
	j.Queue.Lane = "bulk"
	outs := b.Transport(x).Deliver(t.Context(), j)
	if len(x.jobs) != 3 || len(outs) != 3 || outs[1].Result != queue.Deferred || outs[0].Result != queue.Delivered {
		t.Fatalf("%v, %d jobs", outs, len(x.jobs))
	}
	if !strings.HasPrefix(x.jobs[2].From.Local, "prvs=") {
		t.Errorf("without room it left as %s", x.jobs[2].From)
	}
	r := b.Return(from(t, ""), x.jobs[0].From.Address, false)
	if r.To.String() != "news@example.org" || !r.Discard {
		t.Fatalf("%+v", r)
	}
	give(t, r, dsn(t, map[string]smtp.Reply{"forwarded@elsewhere.example": gone}))
	if got, want := n.String(), "bounce example.org to bob@far.example by dsn about E1: 550 5.1.1 unknown user"; got != want {
		t.Errorf("noted %q, want %q", got, want)
	}
	x.say = map[string]queue.Outcome{"bob@far.example": {Result: queue.Deferred, Destination: true}}
	x.jobs = nil
	if outs = b.Transport(x).Deliver(t.Context(), j); len(outs) != 3 || len(x.jobs) != 1 || outs[2].Result != queue.Deferred {
		t.Errorf("a next hop that is down: %v, %d jobs", outs, len(x.jobs))
	}
}

func TestRefusalsInSessionAreNoted(t *testing.T) {
	t.Parallel()
	b, n := newBounces(t, nil)
	x := &next{say: map[string]queue.Outcome{
		"bob@far.example":   {Result: queue.Failed, Reply: gone},
		"eve@far.example":   {Result: queue.Failed, Reply: full},
		"carl@far.example":  {Result: queue.Failed, Reply: smtp.NewReply(550, smtp.EnhancedCode{5, 1, 2}, "no such domain"), Local: true},
		"dan@far.example":   {Result: queue.Deferred, Reply: smtp.NewReply(450, smtp.EnhancedCode{4, 1, 1}, "unknown user")},
		"fay@far.example":   {Result: queue.Failed, Reply: smtp.NewReply(554, smtp.EnhancedCode{5, 7, 1}, "spam")},
		"gina@far.example":  {Result: queue.Failed, Reply: smtp.NewReply(550, smtp.EnhancedCode{}, "User unknown")},
		"heidi@far.example": {Result: queue.Delivered},
	}}
	to := []string{"bob@far.example", "eve@far.example", "carl@far.example", "dan@far.example", "fay@far.example", "gina@far.example", "heidi@far.example"}
	b.Transport(x).Deliver(t.Context(), job(t, "ana@example.org", to...))
	if got, want := n.String(), "bounce example.org to bob@far.example by smtp about J1: 550 5.1.1 unknown user"; got != want {
		t.Errorf("noted %q, want %q", got, want)
	}
	b.Transport(x).Deliver(t.Context(), job(t, "ann@else.test", to...)) // forwarded mail
	if got := n.String(); got != "" {
		t.Errorf("noted %q", got)
	}
}

func arf(mailFrom, more string) string {
	return "From: fbl@far.example\nContent-Type: multipart/report; report-type=feedback-report; boundary=b\n\n--b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\nUser-Agent: Far/1\nOriginal-Mail-From: <" + mailFrom + ">\n" + more +
		"\n--b\nContent-Type: message/rfc822\n\nFrom: ana@example.org\nMessage-ID: <m1@example.org>\n\nx\n--b--\n"
}

func TestComplaints(t *testing.T) {
	t.Parallel()
	b, n := newBounces(t, func(o *Options) { o.FeedbackSigned = false })
	n.Sent(t.Context(), "example.org", "bob@far.example")
	n.Sent(t.Context(), "example.org", "u@far.example")
	r := b.Return(from(t, "fbl@far.example"), addr(t, "FBL@example.org"), false)
	if r.Read == nil || !r.To.IsZero() || r.Discard {
		t.Fatalf("%+v", r)
	}
	give(t, r, arf("ana@example.org", "Original-Rcpt-To: <bob@far.example>\n"))
	if got, want := n.String(), "complaint example.org to bob@far.example by arf about <m1@example.org>: abuse Far/1"; got != want {
		t.Errorf("noted %q, want %q", got, want)
	}
	verp, ok := b.deps.Signer.SignVERP(addr(t, "n@two.test"), addr(t, "eve@far.example"))
	if !ok {
		t.Fatal("no room")
	}
	give(t, r, arf(verp.String(), "Original-Rcpt-To: <redacted@far.example>\n"))
	if got, want := n.String(), "complaint two.test to eve@far.example by arf about <m1@example.org>: abuse Far/1"; got != want {
		t.Errorf("noted %q, want %q", got, want)
	}
	give(t, r, arf("ann@else.test", "Original-Rcpt-To: <bob@far.example>\n"))
	give(t, r, strings.Replace(arf("ana@example.org", "Original-Rcpt-To: <bob@far.example>\n"), "abuse", "not-spam", 1))
	give(t, r, "From: x@far.example\n\nPlease stop.\n")
	if got := n.String(); got != "" {
		t.Errorf("noted %q", got)
	}
	give(t, r, arf("ana@example.org", strings.Repeat("Original-Rcpt-To: <u@far.example>\n", 60)))
	if len(n.events) != maxNoted {
		t.Errorf("%d noted", len(n.events))
	}
	n.events = nil
	b, n = newBounces(t, nil) // who can write to an address proves nothing
	n.Sent(t.Context(), "example.org", "bob@far.example")
	r = b.Return(from(t, ""), addr(t, "fbl@example.org"), false)
	give(t, r, arf("ana@example.org", "Original-Rcpt-To: <bob@far.example>\n"))
	if got := n.String(); got != "" {
		t.Errorf("unsigned, noted %q", got)
	}
	signed, _ := b.deps.Signer.Sign(addr(t, "ana@example.org"))
	give(t, r, arf(signed.String(), "Original-Rcpt-To: <bob@far.example>\n"))
	if got := n.String(); !strings.HasPrefix(got, "complaint example.org to bob@far.example") {
		t.Errorf("signed, noted %q", got)
	}
}

// TestForgedReportsSuppressNobody: who got one message of ours knows its return
// address, and reports that mail to others has bounced, or that they complain.
func TestForgedReportsSuppressNobody(t *testing.T) {
	t.Parallel()
	b, n := newBounces(t, func(o *Options) { o.FeedbackSigned = false })
	x := &next{}
	b.Transport(x).Deliver(t.Context(), job(t, "ana@example.org", "eve@evil.example", "bob@far.example"))
	signed := x.jobs[0].From
	r := b.Return(from(t, ""), signed.Address, false)
	give(t, r, dsn(t, map[string]smtp.Reply{"victim@far.example": gone}))
	fbl := b.Return(from(t, ""), addr(t, "fbl@example.org"), false)
	for _, sender := range []string{signed.String(), "ana@example.org"} {
		give(t, fbl, arf(sender, "Original-Rcpt-To: <victim@far.example>\n"))
	}
	if got := n.String(); got != "" {
		t.Errorf("noted %q", got)
	}
	give(t, r, dsn(t, map[string]smtp.Reply{"bob@far.example": gone}))
	if got := n.String(); got == "" {
		t.Error("what was really sent is not noted")
	}
	// One report cannot clear a mailing list.
	all := map[string]smtp.Reply{}
	for i := range 2 * maxNoted {
		a := fmt.Sprintf("bob%d@far.example", i)
		all[a] = gone
		n.Sent(t.Context(), "example.org", a)
	}
	give(t, r, dsn(t, all))
	if len(n.events) != maxNoted {
		t.Errorf("%d are noted", len(n.events))
	}
}

func TestForwardedMailComesBack(t *testing.T) {
	t.Parallel()
	b, _ := newBounces(t, nil)
	sender := from(t, "ann@else.test")
	rewritten := b.Rewrite(sender, "example.org")
	if !strings.HasPrefix(rewritten.Local, "SRS0=") || rewritten.Domain != "example.org" {
		t.Fatalf("forwarded as %s", rewritten)
	}
	if r := b.Return(from(t, ""), rewritten.Address, false); r.To != sender.Address || !r.Outbound || r.Read != nil {
		t.Errorf("%+v", r)
	}
	if got := b.Sender(rewritten.Address); got != sender.Address {
		t.Errorf("a notification of ours goes to %s", got)
	}
	for _, s := range []string{"ana@example.org", "SRS0=ABCDEF=JM=else.test=ann@example.org", rewritten.Local + "@else.test"} {
		if got := b.Sender(addr(t, s)); got != addr(t, s) {
			t.Errorf("%s stands for %s", s, got)
		}
	}
	if r := b.Return(from(t, "x@far.example"), rewritten.Address, false); r.Reply.Code != 550 {
		t.Errorf("a stranger relays: %+v", r)
	}
	for _, s := range []string{"", "ana@two.test"} {
		if got := b.Rewrite(from(t, s), "example.org"); got != from(t, s) {
			t.Errorf("%q forwarded as %s", s, got)
		}
	}
	// In a lane whose mail has the recipient in its return address it leaves as
	// it is: what comes back must find the sender.
	b, _ = newBounces(t, func(o *Options) { o.VERP = []string{"bulk"} })
	short := b.Rewrite(from(t, "j@o.example"), "example.org")
	x, j := &next{}, job(t, short.String(), "b@c.example")
	j.Queue.Lane = "bulk"
	b.Transport(x).Deliver(t.Context(), j)
	if r := b.Return(from(t, ""), x.jobs[0].From.Address, false); r.To.String() != "j@o.example" || !r.Outbound {
		t.Errorf("%s came back as %+v", x.jobs[0].From, r)
	}
	b, _ = newBounces(t, func(o *Options) { o.SRS = false })
	if got := b.Rewrite(sender, "example.org"); got != sender {
		t.Errorf("switched off: %s", got)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	for i, change := range []func(*Options){
		func(o *Options) { o.Days = 0 }, func(o *Options) { o.Days = 101 }, func(o *Options) { o.Domains = []string{"a b"} }, func(o *Options) { o.Feedback = []string{"nobody"} }, func(o *Options) { o.VERP = make([]string, maxListed+1) },
	} {
		o := DefaultOptions()
		if change(&o); o.Check() == nil {
			t.Errorf("%d: no error", i)
		}
	}
}

// Who got one message knows its return address. A complaint sent there could be
// about anybody, and one is enough for the list: it counts where the address
// says whom the message was for.
func TestComplaintsToReturnAddresses(t *testing.T) {
	t.Parallel()
	b, n := newBounces(t, func(o *Options) { o.VERP = []string{"bulk"} })
	signed, _ := b.deps.Signer.Sign(addr(t, "ana@example.org"))
	n.Sent(t.Context(), "example.org", "ceo@customer.example")
	give(t, b.Return(from(t, ""), signed, false), arf(signed.String(), "Original-Rcpt-To: <ceo@customer.example>\n"))
	if got := n.String(); got != "" {
		t.Errorf("noted %q", got)
	}
	verp, _ := b.deps.Signer.SignVERP(addr(t, "ana@example.org"), addr(t, "bob@far.example"))
	give(t, b.Return(from(t, ""), verp, false), arf(verp.String(), "Original-Rcpt-To: <ceo@customer.example>\n"))
	if got := n.String(); !strings.HasPrefix(got, "complaint example.org to bob@far.example ") {
		t.Errorf("noted %q", got)
	}
}

// hops says which destinations share a next hop.
type hops struct{ next }

func (*hops) NextHop(_ string, from smtp.Address, how gateway.Queueing) string {
	return from.Local + " by " + how.Pool
}

func TestNextHopIsThatOfTheWayOut(t *testing.T) {
	t.Parallel()
	b, _ := newBounces(t, nil)
	for want, way := range map[string]queue.Transport{"ana by news": &hops{}, "far.example": &next{}} {
		n, ok := b.Transport(way).(queue.NextHop)
		if !ok || n.NextHop("far.example", smtp.Address{Local: "ana", Domain: "example.org"}, gateway.Queueing{Pool: "news"}) != want {
			t.Errorf("not %s", want)
		}
	}
}
