package inbound

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/body"
	"github.com/gapura-mail/gapura/gateway/mailauth"
	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/pipeline"
	"github.com/gapura-mail/gapura/gateway/route"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/smtpd"
)

// backend takes everyone but unknown@, and keeps what it gets.
type backend struct {
	reply  smtp.Reply // final reply; zero: 250
	err    error
	copies []*gateway.Copy
	texts  []string
	asked  int
}

func (b *backend) Verify(_ context.Context, _ smtp.ReversePath, _ smtp.MailParams, to smtp.ForwardPath, _ smtp.RcptParams) (smtp.Reply, error) {
	b.asked++
	if to.Local == "unknown" {
		return smtp.NewReply(550, smtp.EnhancedCode{5, 1, 1}, "No such user"), nil
	}
	return smtp.NewReply(250, smtp.EnhancedCode{2, 1, 5}, "Recipient ok"), nil
}

func (b *backend) Delivery() gateway.Delivery { return b }

func (b *backend) Commit(_ context.Context, c *gateway.Copy) ([]smtp.Reply, error) {
	if b.err != nil {
		return nil, b.err
	}
	r := c.Open()
	defer r.Close()
	text, err := io.ReadAll(r)
	if err != nil || int64(len(text)) != c.Size {
		return nil, errors.New("size is wrong")
	}
	b.copies, b.texts = append(b.copies, c), append(b.texts, string(text))
	if b.reply.IsZero() {
		return []smtp.Reply{smtp.NewReply(250, smtp.EnhancedCode{2, 0, 0}, "queued as 4711")}, nil
	}
	return []smtp.Reply{b.reply}, nil
}

func (b *backend) Abort() {}

// policy decides by stage and recipient.
type policy func(stage gateway.Stage, tx *gateway.Transaction) []gateway.Disposition

func (p policy) Name() string            { return "policy" }
func (p policy) Fields() []gateway.Field { return nil }
func (p policy) Check(_ context.Context, stage gateway.Stage, tx *gateway.Transaction) (gateway.Verdict, error) {
	return gateway.Verdict{Dispositions: p(stage, tx)}, nil
}

type env struct {
	t       *testing.T
	one     *backend
	two     *backend
	policy  policy
	relay   []netip.Prefix
	budget  *body.Budget
	hops    int
	filters []pipeline.Step
	early   bool
	lmtp    bool
	sealer  *mailauth.Signer
	oneIs   Backend // in the place of one
	helo    string
	dir     string // of spool files; "" : a temporary one
	params  smtp.MailParams
	ctx     context.Context // of DATA; nil: the test's
	log     bytes.Buffer    // lines, as JSON
	keys    []string        // of domains; nil: those of one and two
	opt     func(*Options)  // changes them last
}

func (e *env) handler() *Handler {
	keys := e.keys
	if keys == nil {
		keys = []string{"example.org", "two.test"}
	}
	table, err := route.NewTable(keys)
	if err != nil {
		e.t.Fatal(err)
	}
	opt := pipeline.Options{Steps: e.filters, Log: slog.New(slog.DiscardHandler)}
	if e.policy != nil {
		opt.Policy = e.policy
	}
	pipe, err := pipeline.New(opt)
	if err != nil {
		e.t.Fatal(err)
	}
	one := Backend(e.one)
	if e.oneIs != nil {
		one = e.oneIs
	}
	o := Options{
		Hostname: "mx.test", Pipeline: pipe, Routes: table, Hops: e.hops, Relay: e.relay, RefuseEarly: e.early, Sealer: e.sealer,
		Backends: map[string]Backend{"example.org": one, "two.test": e.two},
		Body:     body.Options{Dir: cmp.Or(e.dir, e.t.TempDir()), Budget: e.budget},
		Log:      slog.New(slog.NewJSONHandler(&e.log, nil)),
	}
	if e.opt != nil {
		e.opt(&o)
	}
	return New(o)
}

func newEnv(t *testing.T) *env { return &env{t: t, one: &backend{}, two: &backend{}} }

func path(s string) smtp.Address {
	l, d, _ := strings.Cut(s, "@")
	return smtp.Address{Local: l, Domain: d}
}

// send runs one transaction and returns the replies of RCPT and of DATA.
func (e *env) send(msg string, to ...string) (rcpts []smtp.Reply, data []smtp.Reply) {
	e.t.Helper()
	return e.sendReader(strings.NewReader(msg), to...)
}

func (e *env) sendReader(r io.Reader, to ...string) (rcpts []smtp.Reply, data []smtp.Reply) {
	e.t.Helper()
	ctx := e.t.Context()
	info := smtpd.Info{Listener: "smtp", Remote: netip.MustParseAddrPort("192.0.2.9:4242"), Started: time.Now()}
	if e.lmtp {
		info.Listener = "lmtp"
	}
	s, _, err := e.handler().Connect(ctx, info)
	if err != nil {
		e.t.Fatal(err)
	}
	defer s.Close()
	info.Helo, info.Extended = cmp.Or(e.helo, "client.test"), true
	s.Helo(ctx, info)
	tx, reply, err := s.Mail(ctx, smtp.ReversePath{Address: path("a@sender.test")}, e.params)
	if err != nil || !reply.IsZero() {
		return []smtp.Reply{asReply(reply, err)}, nil
	}
	ok := 0
	for _, a := range to {
		reply, err := tx.Rcpt(ctx, smtp.ForwardPath{Address: path(a)}, smtp.RcptParams{})
		reply = asReply(reply, err)
		rcpts = append(rcpts, reply)
		if reply.IsZero() || reply.Positive() {
			ok++
		}
	}
	if ok == 0 {
		tx.Reset()
		return rcpts, nil
	}
	if e.ctx != nil {
		ctx = e.ctx
	}
	data, err = tx.Data(ctx, r)
	if err != nil {
		data = []smtp.Reply{asReply(smtp.Reply{}, err)}
	}
	return rcpts, data
}

func asReply(r smtp.Reply, err error) smtp.Reply {
	if err == nil {
		return r
	}
	if r, ok := smtp.AsReply(err); ok {
		return r
	}
	return smtp.NewReply(451, smtp.EnhancedCode{4, 3, 0}, "internal: "+err.Error())
}

const simple = "From: a@sender.test\r\nSubject: hi\r\n\r\nHello\r\n"

func TestMessageIsHandedOverWithOurFieldsOnTop(t *testing.T) {
	e := newEnv(t)
	rcpts, data := e.send(simple, "u@example.org")
	if rcpts[0].Code != 250 || !strings.Contains(rcpts[0].Text, "Recipient ok (") {
		t.Errorf("RCPT: %v", rcpts[0])
	}
	if len(data) != 1 || data[0].Code != 250 || !strings.Contains(data[0].Text, "queued as 4711 (") {
		t.Errorf("DATA: %v", data)
	}
	got := e.one.texts[0]
	if !strings.HasPrefix(got, "Received: from client.test (unknown [192.0.2.9])") || !strings.HasSuffix(got, "\r\n"+simple) {
		t.Errorf("got %q", got)
	}
	if !strings.Contains(got, "for <u@example.org>") {
		t.Errorf("no for clause: %q", got)
	}
}

func TestNoForClauseWithSeveralRecipients(t *testing.T) {
	e := newEnv(t)
	e.send(simple, "u@example.org", "bcc@example.org")
	if strings.Contains(e.one.texts[0], "bcc@") || strings.Contains(e.one.texts[0], "\tfor ") {
		t.Errorf("got %q", e.one.texts[0])
	}
}

func TestForgedResultsOfOursAreRemoved(t *testing.T) {
	e := newEnv(t)
	e.send("Authentication-Results: MX.test; spf=pass\r\nAuthentication-Results: other.test; spf=fail\r\n"+simple, "u@example.org")
	if got := e.one.texts[0]; strings.Contains(got, "MX.test") || !strings.Contains(got, "other.test; spf=fail") {
		t.Errorf("got %q", got)
	}
}

func TestUnknownUserGetsTheBackendsReply(t *testing.T) {
	e := newEnv(t)
	rcpts, _ := e.send(simple, "unknown@example.org")
	if r := rcpts[0]; r.Code != 550 || r.Enhanced != (smtp.EnhancedCode{5, 1, 1}) || !strings.HasPrefix(r.Text, "No such user (see ") {
		t.Errorf("got %v", r)
	}
}

// TestNoOpenRelay: other domains are refused, whoever asks and however.
func TestNoOpenRelay(t *testing.T) {
	e := newEnv(t)
	for _, to := range []string{"a@other.test", "a@example.org.evil.test", "a@[192.0.2.1]", "a%other.test@third.test", "other.test!a@third.test"} {
		if rcpts, _ := e.send(simple, to); rcpts[0].Code != 550 || rcpts[0].Enhanced != (smtp.EnhancedCode{5, 7, 1}) {
			t.Errorf("%s: %v", to, rcpts[0])
		}
	}
	if e.one.asked+e.two.asked > 0 {
		t.Error("a backend was asked")
	}
}

// TestOneBackendGroupATransaction: SMTP has one reply for all, LMTP not.
func TestOneBackendGroupATransaction(t *testing.T) {
	e := newEnv(t)
	rcpts, data := e.send(simple, "u@example.org", "v@two.test")
	if rcpts[1].Code != 452 || rcpts[1].Enhanced != (smtp.EnhancedCode{4, 5, 3}) || data[0].Code != 250 || len(e.two.texts) != 0 {
		t.Errorf("SMTP: %v, %v", rcpts, data)
	}
	e = newEnv(t)
	e.lmtp = true
	e.two.reply = smtp.NewReply(452, smtp.EnhancedCode{4, 2, 2}, "full")
	rcpts, data = e.send(simple, "u@example.org", "v@two.test")
	if !rcpts[1].Positive() || len(data) != 2 || data[0].Code != 250 || data[1].Code != 452 {
		t.Errorf("LMTP: %v, %v", rcpts, data)
	}
}

func TestMoreReceivedFieldsThanHopsAreALoop(t *testing.T) {
	e := newEnv(t)
	e.hops = 3
	hop := "Received: from a by b; Mon, 1 Jan 2024 00:00:00 +0000\r\n"
	if _, data := e.send(strings.Repeat(hop, 3)+simple, "u@example.org"); data[0].Code != 250 {
		t.Errorf("at the limit: %v", data)
	}
	if _, data := e.send(strings.Repeat(hop, 4)+simple, "u@example.org"); data[0].Code != 554 || data[0].Enhanced != (smtp.EnhancedCode{5, 4, 6}) {
		t.Errorf("above: %v", data)
	}
}

func TestHeaderBoundsAreClearReplies(t *testing.T) {
	e := newEnv(t)
	for name, msg := range map[string]string{
		"block":  strings.Repeat("X: "+strings.Repeat("x", 900)+"\r\n", message.DefaultHeaderBytes/900) + simple,
		"field":  "X: " + strings.Repeat("x\r\n ", message.DefaultFieldBytes/3) + "\r\n" + simple,
		"fields": strings.Repeat("X: \r\n", message.DefaultHeaderFields+1) + simple,
		"no end": strings.Repeat("X: "+strings.Repeat("x", 900)+"\r\n", message.DefaultHeaderBytes/900+10),
	} {
		if _, data := e.send(msg, "u@example.org"); data[0].Code != 552 || !strings.Contains(data[0].Text, "too large") {
			t.Errorf("%s: %v", name, data)
		}
	}
	if len(e.one.texts) > 0 {
		t.Error("handed over")
	}
}

// TestBrokenStreamIsNoMessage: nothing is handed over but after io.EOF.
func TestBrokenStreamIsNoMessage(t *testing.T) {
	e := newEnv(t)
	broken := io.MultiReader(strings.NewReader(simple), errReader{})
	if _, data := e.sendReader(broken, "u@example.org"); data[0].Positive() || len(e.one.texts) != 0 {
		t.Errorf("got %v, handed over %d", data, len(e.one.texts))
	}
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

// TestFullSpoolIs452: at MAIL when it is full, at the end of DATA when the
// message fills it; everything is given back.
func TestFullSpoolIs452(t *testing.T) {
	e := newEnv(t)
	e.budget = body.NewBudget(1<<20, 1<<20)
	if _, data := e.send(simple+strings.Repeat("x\r\n", 1<<20), "u@example.org"); data[0].Code != 452 || data[0].Enhanced != (smtp.EnhancedCode{4, 3, 1}) {
		t.Errorf("DATA: %v", data)
	}
	if e.budget.Memory() != 0 || e.budget.Spool() != 0 {
		t.Errorf("left: %d, %d", e.budget.Memory(), e.budget.Spool())
	}
	e.budget = body.NewBudget(1000, 1000)
	if mail, _ := e.send(simple, "u@example.org"); mail[0].Code != 452 {
		t.Errorf("MAIL: %v", mail)
	}
}

// TestBrokenSpoolIs452: a full disk is no error of the client, and what the
// system says of it does not leave.
func TestBrokenSpoolIs452(t *testing.T) {
	e := newEnv(t)
	e.dir = filepath.Join(t.TempDir(), "nonexistent")
	_, data := e.send(simple+strings.Repeat("x\r\n", 1<<20), "u@example.org")
	if data[0].Code != 452 || data[0].Enhanced != (smtp.EnhancedCode{4, 3, 1}) || strings.Contains(data[0].Text, "nonexistent") {
		t.Errorf("got %v", data)
	}
	if len(e.lines("spool failed")) != 1 {
		t.Error("the administrator is not told")
	}
}

// TestMixedDispositions: with one reply for all, refused copies are dropped
// when another was delivered, and a deferred one brings the client back.
func TestMixedDispositions(t *testing.T) {
	byLocal := func(stage gateway.Stage, tx *gateway.Transaction) []gateway.Disposition {
		if stage != gateway.StageMessage {
			return nil
		}
		var ds []gateway.Disposition
		for _, r := range tx.Rcpts {
			d := gateway.Disposition{}
			switch r.To.Local {
			case "reject":
				d.Action = gateway.Reject
			case "defer":
				d.Action = gateway.Defer
			case "discard":
				d.Action = gateway.Discard
			case "junk":
				d.Edits = []gateway.Edit{{Kind: gateway.AddField, Name: "X-Spam-Flag", Value: "YES"}}
			}
			ds = append(ds, d)
		}
		return ds
	}
	for _, c := range []struct {
		to     string
		lmtp   bool
		codes  string
		copies int
	}{
		{"u reject", false, "250", 1},
		{"reject", false, "550", 0},
		{"u defer", false, "451", 0},
		{"discard", false, "250", 0},
		{"u discard", false, "250", 1},
		{"reject defer", false, "451", 0},
		{"u junk", false, "250", 2},
		{"u junk v", false, "250", 2},
		{"u reject defer discard", true, "250 550 451 250", 1},
	} {
		e := newEnv(t)
		e.policy, e.lmtp = byLocal, c.lmtp
		var to []string
		for _, l := range strings.Fields(c.to) {
			to = append(to, l+"@example.org")
		}
		_, data := e.send(simple, to...)
		var codes []string
		for _, r := range data {
			codes = append(codes, r.Error()[:3])
		}
		if got := strings.Join(codes, " "); got != c.codes || len(e.one.copies) != c.copies {
			t.Errorf("%s: %s with %d copies; want %s with %d", c.to, got, len(e.one.copies), c.codes, c.copies)
		}
		for i, text := range e.one.texts {
			junk := strings.Contains(text, "X-Spam-Flag")
			for _, r := range e.one.copies[i].Rcpts {
				if junk != (r.To.Local == "junk") {
					t.Errorf("%s: %s got the other's copy", c.to, r.To.Local)
				}
			}
		}
	}
}

// TestFailedHandOverIs451 and says nothing of the reason.
func TestFailedHandOverIs451(t *testing.T) {
	e := newEnv(t)
	e.one.err = errors.New("secret internals")
	if _, data := e.send(simple, "u@example.org"); data[0].Code != 451 || strings.Contains(data[0].Text, "secret") {
		t.Errorf("got %v", data)
	}
}

// TestEarlyRefusalsAreAnsweredAtRcpt, or at once where configured; postmaster
// is reachable.
func TestEarlyRefusalsAreAnsweredAtRcpt(t *testing.T) {
	e := newEnv(t)
	e.policy = func(stage gateway.Stage, tx *gateway.Transaction) []gateway.Disposition {
		if stage == gateway.StageConnect {
			return []gateway.Disposition{{Action: gateway.Reject, Reply: smtp.NewReply(550, smtp.EnhancedCode{5, 7, 1}, "listed")}}
		}
		return nil
	}
	rcpts, data := e.send(simple, "u@example.org", "postmaster@example.org")
	if rcpts[0].Code != 550 || !strings.HasPrefix(rcpts[0].Text, "listed (see ") || !rcpts[1].Positive() || data[0].Code != 250 {
		t.Errorf("got %v, %v", rcpts, data)
	}
	e.early = true
	h := e.handler()
	s, reply, _ := h.Connect(t.Context(), smtpd.Info{Listener: "smtp"})
	defer s.Close()
	if reply.Code != 550 {
		t.Errorf("early: %v", reply)
	}
}

// TestMessageWithoutEmptyLine is all header.
func TestMessageWithoutEmptyLine(t *testing.T) {
	e := newEnv(t)
	if _, data := e.send("Subject: only\r\n", "u@example.org"); data[0].Code != 250 || !strings.HasSuffix(e.one.texts[0], "Subject: only\r\n\r\n") {
		t.Errorf("got %v, %q", data, e.one.texts)
	}
	if _, data := e.send("Subject: a", "u@example.org"); data[0].Code != 250 || !strings.HasSuffix(e.one.texts[1], "\r\nSubject: a\r\n\r\n") {
		t.Errorf("no line end: %v, %q", data, e.one.texts)
	}
	if _, data := e.send("", "u@example.org"); data[0].Code != 250 {
		t.Errorf("empty: %v", data)
	}
	if _, data := e.send("\r\nbody only\r\n", "u@example.org"); data[0].Code != 250 || !strings.HasSuffix(e.one.texts[3], "\r\n\r\nbody only\r\n") {
		t.Errorf("body only: %v %q", data, e.one.texts[3])
	}
}

// TestHeaderThatBeginsFoldedIsRefused: it would continue our own topmost
// fields, Authentication-Results among them.
func TestHeaderThatBeginsFoldedIsRefused(t *testing.T) {
	e := newEnv(t)
	for _, msg := range []string{" ; spf=pass\r\n" + simple, "\tx: y\r\n" + simple, " \r\n" + simple, " \r\n\r\n", " "} {
		if _, data := e.send(msg, "u@example.org"); data[0].Code != 550 || data[0].Enhanced != (smtp.EnhancedCode{5, 6, 0}) {
			t.Errorf("%q: %v", msg, data)
		}
	}
	if len(e.one.texts) > 0 {
		t.Errorf("handed over: %q", e.one.texts)
	}
}

// TestPostmasterGetsADomain: many servers refuse <Postmaster> alone.
func TestPostmasterGetsADomain(t *testing.T) {
	e := newEnv(t)
	rcpts, data := e.send(simple, "Postmaster")
	if !rcpts[0].Positive() || data[0].Code != 250 {
		t.Fatal(rcpts, data)
	}
	if to := e.one.copies[0].Rcpts[0].To.Path(); to != "<Postmaster@example.org>" {
		t.Error(to)
	}
	// Whom bounces name, though mail for the host's name goes nowhere.
	rcpts, data = e.send(simple, "postmaster@MX.test", "u@mx.test")
	if !rcpts[0].Positive() || rcpts[1].Code != 550 || data[0].Code != 250 {
		t.Fatal(rcpts, data)
	}
	if to := e.one.copies[1].Rcpts[0].To.Path(); to != "<postmaster@example.org>" {
		t.Error(to)
	}
}
