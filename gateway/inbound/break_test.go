package inbound

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/body"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/smtpd"
)

// lines returns the log's lines with that message.
func (e *env) lines(msg string) []map[string]any {
	e.t.Helper()
	var all []map[string]any
	for l := range strings.Lines(e.log.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(l), &m); err != nil {
			e.t.Fatalf("%s: %v", l, err)
		}
		if m["msg"] == msg {
			all = append(all, m)
		}
	}
	return all
}

// answering is a backend that takes the message and gives these replies.
type answering struct {
	backend
	replies []smtp.Reply
}

func (b *answering) Delivery() gateway.Delivery { return b }

func (b *answering) Commit(ctx context.Context, c *gateway.Copy) ([]smtp.Reply, error) {
	b.backend.Commit(ctx, c)
	return b.replies, nil
}

var (
	ok250   = smtp.NewReply(250, smtp.EnhancedCode{2, 0, 0}, "taken")
	full452 = smtp.NewReply(452, smtp.EnhancedCode{4, 2, 2}, "full")
	gone550 = smtp.NewReply(550, smtp.EnhancedCode{5, 1, 1}, "gone")
)

// TestNoReplyOfTheBackendIsNo250: whatever a delivery does wrong, 250 is said
// for nobody whom it did not name.
func TestNoReplyOfTheBackendIsNo250(t *testing.T) {
	for name, c := range map[string]struct {
		replies []smtp.Reply
		want    string
	}{
		"none":               {nil, "451 451 451"},
		"one for all":        {[]smtp.Reply{ok250}, "250 250 250"},
		"a zero one":         {[]smtp.Reply{ok250, {}, gone550}, "250 451 550"},
		"zero for all":       {[]smtp.Reply{{}}, "451 451 451"},
		"too few":            {[]smtp.Reply{ok250, ok250}, "451 451 451"},
		"too many":           {[]smtp.Reply{ok250, ok250, ok250, ok250}, "451 451 451"},
		"one for each":       {[]smtp.Reply{ok250, full452, gone550}, "250 452 550"},
		"text without code":  {[]smtp.Reply{{Text: "hm"}}, "451 451 451"},
		"an unfinished step": {[]smtp.Reply{smtp.NewReply(354, smtp.EnhancedCode{}, "go on")}, "451 451 451"},
	} {
		e := newEnv(t)
		e.lmtp = true
		e.oneIs = &answering{replies: c.replies}
		_, data := e.send(simple, "a@example.org", "b@example.org", "c@example.org")
		if got := codes(data); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func codes(replies []smtp.Reply) string {
	var s []string
	for _, r := range replies {
		s = append(s, r.Error()[:3])
	}
	return strings.Join(s, " ")
}

// TestRouteToNowhereIs451: a policy that names a group which is not there
// loses no mail and breaks no connection.
func TestRouteToNowhereIs451(t *testing.T) {
	for _, at := range []gateway.Stage{gateway.StageRcpt, gateway.StageMessage} {
		e := newEnv(t)
		e.policy = func(stage gateway.Stage, _ *gateway.Transaction) []gateway.Disposition {
			if stage == at {
				return []gateway.Disposition{{Route: "nowhere"}}
			}
			return nil
		}
		rcpts, data := e.send(simple, "a@example.org")
		last := append(rcpts, data...)
		if got := last[len(last)-1]; got.Code != 451 || !strings.Contains(got.Text, "(see ") {
			t.Errorf("%v: %v, %v", at, rcpts, data)
		}
	}
}

// TestCancelledVerdictIsNoVerdict: when the server is made to stop while the
// message is judged, it is not handed over, with half of the facts perhaps.
func TestCancelledVerdictIsNoVerdict(t *testing.T) {
	e := newEnv(t)
	ctx, cancel := context.WithCancel(t.Context())
	e.ctx = ctx
	e.policy = func(stage gateway.Stage, _ *gateway.Transaction) []gateway.Disposition {
		if stage == gateway.StageMessage {
			cancel()
		}
		return nil
	}
	if _, data := e.send(simple, "a@example.org"); data[0].Positive() || len(e.one.copies) > 0 {
		t.Errorf("got %v, handed over %d", data, len(e.one.copies))
	}
	if l := e.lines("message"); len(l) != 1 || l[0]["outcome"] != "aborted" {
		t.Errorf("log %v", l)
	}
}

// TestEveryRefusalHasATraceID, and the log has the same one.
func TestEveryRefusalHasATraceID(t *testing.T) {
	for name, c := range map[string]func(e *env) smtp.Reply{
		"another group": func(e *env) smtp.Reply {
			rcpts, _ := e.send(simple, "u@example.org", "v@two.test")
			return rcpts[1]
		},
		"no room at MAIL": func(e *env) smtp.Reply {
			e.budget = body.NewBudget(1000, 1000)
			mail, _ := e.send(simple, "u@example.org")
			return mail[0]
		},
		"verification failed": func(e *env) smtp.Reply {
			e.oneIs = &broken{}
			rcpts, _ := e.send(simple, "u@example.org")
			return rcpts[0]
		},
		"no room in DATA": func(e *env) smtp.Reply {
			e.budget = body.NewBudget(1<<20, 1<<20)
			_, data := e.send(simple+strings.Repeat("x\r\n", 1<<20), "u@example.org")
			return data[0]
		},
		"hand-over failed": func(e *env) smtp.Reply {
			e.one.err = errors.New("secret")
			_, data := e.send(simple, "u@example.org")
			return data[0]
		},
		"relay": func(e *env) smtp.Reply {
			rcpts, _ := e.send(simple, "u@elsewhere.test")
			return rcpts[0]
		},
	} {
		e := newEnv(t)
		r := c(e)
		_, id, found := strings.Cut(strings.TrimSuffix(r.Text, ")"), "(see ")
		if !found || r.Code < 400 || strings.Contains(r.Text, "secret") {
			t.Errorf("%s: %v", name, r)
		}
		if !strings.Contains(e.log.String(), id) {
			t.Errorf("%s: the log has no %q: %s", name, id, e.log.String())
		}
	}
}

// broken cannot tell whether a recipient exists.
type broken struct{ backend }

func (*broken) Verify(context.Context, smtp.ReversePath, smtp.MailParams, smtp.ForwardPath, smtp.RcptParams) (smtp.Reply, error) {
	return smtp.Reply{}, errors.New("secret")
}

// TestTheLogTellsWhatBecameOfEachCopy, and what the client was told.
func TestTheLogTellsWhatBecameOfEachCopy(t *testing.T) {
	for name, c := range map[string]struct {
		replies []smtp.Reply
		policy  policy
		want    string // outcomes
		client  string
	}{
		"all taken":       {[]smtp.Reply{ok250, ok250}, nil, "accepted accepted", "250"},
		"one refused":     {[]smtp.Reply{ok250, gone550}, nil, "accepted dropped", "250"},
		"one deferred":    {[]smtp.Reply{ok250, full452}, nil, "accepted deferred", "452"},
		"no, and later":   {[]smtp.Reply{gone550, full452}, nil, "deferred deferred", "452"},
		"all refused":     {[]smtp.Reply{gone550, gone550}, nil, "refused refused", "550"},
		"policy defers b": {[]smtp.Reply{ok250}, only("b", gateway.Defer), "deferred deferred", "451"},
		"policy drops b":  {[]smtp.Reply{ok250}, only("b", gateway.Discard), "accepted discarded", "250"},
		"policy says no":  {[]smtp.Reply{ok250}, only("b", gateway.Reject), "accepted dropped", "250"},
	} {
		e := newEnv(t)
		e.oneIs, e.policy = &answering{replies: c.replies}, c.policy
		_, data := e.send(simple, "a@example.org", "b@example.org")
		var got []string
		for _, l := range e.lines("message") {
			got = append(got, l["outcome"].(string))
			if strings.HasPrefix(l["reply"].(string), "0") {
				t.Errorf("%s: reply %v", name, l["reply"])
			}
		}
		if outcomes := strings.Join(got, " "); outcomes != c.want || codes(data) != c.client {
			t.Errorf("%s: %s, client %s; want %s, %s", name, outcomes, codes(data), c.want, c.client)
		}
	}
}

// only decides about one recipient at the end.
func only(local string, a gateway.Action) policy {
	return func(stage gateway.Stage, tx *gateway.Transaction) []gateway.Disposition {
		if stage != gateway.StageMessage {
			return nil
		}
		ds := make([]gateway.Disposition, len(tx.Rcpts))
		for i, r := range tx.Rcpts {
			if r.To.Local == local {
				ds[i].Action = a
			}
		}
		return ds
	}
}

// TestAbortedMessagesAreInTheLog: a client that leaves within the message, or
// whose message smtpd refuses, is found by its id.
func TestAbortedMessagesAreInTheLog(t *testing.T) {
	e := newEnv(t)
	e.sendReader(io.MultiReader(strings.NewReader(simple), errReader{}), "u@example.org")
	l := e.lines("message")
	if len(l) != 1 || l[0]["outcome"] != "aborted" || l[0]["id"] == nil || !strings.Contains(l[0]["error"].(string), "connection reset") {
		t.Errorf("log %v", l)
	}
}

// TestTheLogIsOneLineAMessage: what clients say cannot break out of it.
func TestTheLogIsOneLineAMessage(t *testing.T) {
	e := newEnv(t)
	e.policy = only("x", gateway.Reject)
	e.helo = "evil\r\n{\"msg\":\"message\",\"outcome\":\"accepted\"}\x00\xff\u2028"
	e.send(simple, "x@example.org")
	if n := strings.Count(e.log.String(), "\n"); n != len(e.lines("message")) || n != 1 {
		t.Errorf("%d lines: %q", n, e.log.String())
	}
}

// TestHeaderBlocksCountInTheBudget: many connections that each send a large
// header block take no more memory than is allowed.
func TestHeaderBlocksCountInTheBudget(t *testing.T) {
	e := newEnv(t)
	e.budget = body.NewBudget(2<<20, 0)
	var peak int64
	block := strings.Repeat("X: "+strings.Repeat("x", 990)+"\r\n", 300)
	spy := &spyReader{r: strings.NewReader(block + simple), piece: 10_000, see: func() { peak = max(peak, e.budget.Memory()) }}
	if _, data := e.sendReader(spy, "u@example.org"); data[0].Code != 250 || peak < 300_000 || peak > 1<<20 {
		t.Errorf("%v, at most %d octets were counted", data, peak)
	}
	if e.budget.Memory() != 0 {
		t.Errorf("left %d", e.budget.Memory())
	}
	e = newEnv(t)
	e.budget = body.NewBudget(1<<20, 0)
	spy = &spyReader{r: strings.NewReader(block + simple), piece: 10_000, see: func() { e.budget.SetLimits(200_000, 0) }}
	if _, data := e.sendReader(spy, "u@example.org"); data[0].Code != 452 || e.budget.Memory() != 0 {
		t.Errorf("%v, left %d", data, e.budget.Memory())
	}
}

// spyReader gives pieces and looks at something after each.
type spyReader struct {
	r     io.Reader
	piece int
	see   func()
}

func (s *spyReader) Read(p []byte) (int, error) {
	n, err := s.r.Read(p[:min(len(p), s.piece)])
	s.see()
	return n, err
}

// TestEveryCutOfAMessageIsTheSameMessage: wherever the pieces end.
func TestEveryCutOfAMessageIsTheSameMessage(t *testing.T) {
	for _, msg := range []string{simple, "\r\nbody\r\n", "A: b\r\n\r\n", "A: b\r\n", "A: b\r\n c\r\n\r\n\r\n\r\nx\r\n"} {
		for cut := range len(msg) {
			e := newEnv(t)
			e.sendReader(io.MultiReader(strings.NewReader(msg[:cut]), strings.NewReader(msg[cut:])), "u@example.org")
			want := msg
			if !strings.Contains("\r\n"+msg, "\r\n\r\n") {
				want += "\r\n"
			}
			if len(e.one.texts) != 1 || !strings.HasSuffix(e.one.texts[0], "\r\n"+want) {
				t.Errorf("%q cut at %d: %q", msg, cut, e.one.texts)
			}
		}
	}
}

// TestEarlyRefusalsAskOnlyWhatIsKnown: at connect nobody has said HELO or MAIL,
// so that rules about those say nothing, though refusals do not wait for RCPT.
func TestEarlyRefusalsAskOnlyWhatIsKnown(t *testing.T) {
	e := newEnv(t)
	e.early = true
	var asked []string
	e.policy = func(stage gateway.Stage, tx *gateway.Transaction) []gateway.Disposition {
		asked = append(asked, stage.String())
		if stage == gateway.StageHelo && tx.Session.Helo == "" || stage == gateway.StageMail && tx.From.Address == (smtp.Address{}) {
			return []gateway.Disposition{{Action: gateway.Reject}}
		}
		return nil
	}
	ctx := t.Context()
	s, r, _ := e.handler().Connect(ctx, smtpd.Info{Listener: "smtp"})
	defer s.Close()
	if !r.IsZero() || strings.Join(asked, " ") != "connect" {
		t.Errorf("connect: %v, asked %v", r, asked)
	}
	asked = nil
	if r, err := s.Helo(ctx, smtpd.Info{Listener: "smtp", Helo: "h"}); err != nil || !r.IsZero() || strings.Join(asked, " ") != "connect helo" {
		t.Errorf("HELO: %v, %v, asked %v", r, err, asked)
	}
	_, r, err := s.Mail(ctx, smtp.ReversePath{}, smtp.MailParams{})
	if r = asReply(r, err); r.Code != 550 || !strings.Contains(r.Text, "(see ") {
		t.Errorf("MAIL FROM:<>: %v", r)
	}
	if tx, r, err := s.Mail(ctx, smtp.ReversePath{Address: path("a@b.test")}, smtp.MailParams{}); tx == nil || err != nil {
		t.Errorf("MAIL: %v, %v", r, err)
	}
}
