package spam

import (
	"bytes"
	"context"
	"io"
	"iter"
	"net/netip"
	"reflect"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/gapura-mail/gapura/filters/filtertest"
	"github.com/gapura-mail/gapura/filters/spam/anatomy"
	"github.com/gapura-mail/gapura/filters/spam/learned"
	"github.com/gapura-mail/gapura/filters/spam/model"
	"github.com/gapura-mail/gapura/filters/spam/specimen"
	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/body"
	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/parts"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// arriving is a message that arrives, with the gateway's own walk.
type arriving struct {
	header *message.Header
	body   *body.Body
	walk   *parts.Walk
}

// arrive lets raw arrive in pieces of so many octets; 0: at once.
func arrive(t testing.TB, raw []byte, piece int) *arriving {
	t.Helper()
	block, rest := message.Split(raw)
	h, err := message.ParseHeader(block, message.HeaderLimits{})
	if err != nil {
		t.Fatal(err)
	}
	m := &arriving{h, body.New(body.Options{}), nil}
	m.walk = parts.New(h, body.Options{})
	var all sync.WaitGroup
	all.Go(func() { m.walk.Run(m.body.Open(), m.body) })
	all.Go(func() {
		defer m.body.Close()
		for len(rest) > 0 {
			n := len(rest)
			if piece > 0 {
				n = min(n, piece)
			}
			_, _ = m.body.Write(rest[:n])
			rest = rest[n:]
		}
	})
	t.Cleanup(func() { all.Wait(); m.walk.Release(); m.body.Release() })
	return m
}

func (m *arriving) Header() *message.Header { return m.header }
func (m *arriving) Body() io.ReadCloser     { return m.body.Open() }
func (m *arriving) Parts(ctx context.Context) iter.Seq2[*gateway.Part, error] {
	return m.walk.All(ctx)
}

// mail returns messages that were written for tests.
func mail(t testing.TB, split specimen.Split, n int) []specimen.Message {
	t.Helper()
	list, err := specimen.Generate(split, 1, n)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// teach makes a layer that has learned the messages above those below.
func teach(t testing.TB, list []specimen.Message, below ...*model.Layer) *model.Layer {
	t.Helper()
	l, base, v := model.NewLayer(), model.Empty(), model.NewVector()
	var m anatomy.Message
	for _, x := range list {
		if err := m.Parse(x.Raw); err != nil {
			t.Fatal(err)
		}
		model.Features(&m, v)
		l.Learn(base, below, v, x.Class.Label() == "spam", 1)
	}
	return l
}

func newFilter(t testing.TB, opt Options, deps Deps) *Filter {
	t.Helper()
	f, err := New(opt, deps)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestArrivingMessagesAreTakenApartAsWholeOnes: what the filter sees is what
// the model was trained on.
func TestArrivingMessagesAreTakenApartAsWholeOnes(t *testing.T) {
	t.Parallel()
	f := newFilter(t, DefaultOptions(), Deps{})
	r := newReading(f) // one for all: nothing stays of the message before
	var whole anatomy.Message
	a, b := model.NewVector(), model.NewVector()
	for i, x := range mail(t, specimen.Test, 150) {
		if err := r.read(t.Context(), transaction("u"), arrive(t, x.Raw, 37*(i%3))); err != nil {
			t.Fatal(err)
		}
		if err := whole.Parse(x.Raw); err != nil {
			t.Fatal(err)
		}
		model.Features(&r.m, a)
		model.Features(&whole, b)
		if !reflect.DeepEqual(a.Clone(), b.Clone()) {
			t.Errorf("%s: other features", x.Origin)
		}
		if r.m.Depth != whole.Depth || !reflect.DeepEqual(r.m.Multi, whole.Multi) || !reflect.DeepEqual(r.m.Parts, whole.Parts) || !bytes.Equal(r.m.Text, whole.Text) {
			t.Errorf("%s: %d %v %v, whole %d %v %v", x.Origin, r.m.Depth, r.m.Multi, r.m.Parts, whole.Depth, whole.Multi, whole.Parts)
		}
	}
}

// transaction is one for recipients of example.org.
func transaction(to ...string) *gateway.Transaction {
	s := &gateway.Session{ID: "S", Listener: "smtp", Remote: netip.MustParseAddrPort("192.0.2.1:4000"), Helo: "x"}
	tx := &gateway.Transaction{ID: "T", Session: s}
	for _, local := range to {
		tx.Rcpts = append(tx.Rcpts, gateway.Recipient{To: smtp.ForwardPath{Address: smtp.Address{Local: local, Domain: "example.org"}}})
	}
	return tx
}

func TestFacts(t *testing.T) {
	t.Parallel()
	l := teach(t, mail(t, specimen.Train, 300))
	f := newFilter(t, DefaultOptions(), Deps{Learned: &taught{all: l}})
	wrong, n := 0, 0
	for _, x := range mail(t, specimen.Test, 100) {
		v, err := filtertest.Judge(t.Context(), f, transaction("u"), arrive(t, x.Raw, 0))
		if err != nil {
			t.Fatal(err)
		}
		got := filtertest.Values(t, f, v)
		score, p := got["spam.score"].(float64), got["spam.probability"].(float64)
		if p < 0 || p > 1 || (score > 0) != (p > 0.5) || got["spam.threshold"] != 5.0 || v.Rcpts != nil || got["spam.class"] != f.class(f.calibration(), score) {
			t.Errorf("%v", got)
		}
		if reasons, _ := got["spam.reasons"].([]string); (len(reasons) == 0) != (got["spam.class"] == "ham") || len(reasons) > 0 && (len(reasons) > 8 || reasons[0][0] != '+' && reasons[0][0] != '-') {
			t.Errorf("reasons %q", reasons)
		}
		if n++; (score > 0) != (x.Class.Label() == "spam") {
			wrong++
		}
	}
	if wrong > n/4 {
		t.Errorf("%d of %d wrong", wrong, n)
	}
}

// TestEvidence: what other filters found counts, within a bound, and is among
// the reasons.
func TestEvidence(t *testing.T) {
	t.Parallel()
	f := newFilter(t, DefaultOptions(), Deps{Explain: true})
	judge := func(pairs ...any) (float64, string) {
		tx := transaction("u")
		tx.Facts = filtertest.Facts(pairs...)
		v, err := filtertest.Judge(t.Context(), f, tx, arrive(t, []byte("Subject: x\r\n\r\ny"), 0))
		if err != nil {
			t.Fatal(err)
		}
		got := filtertest.Values(t, f, v)
		return got["spam.score"].(float64), strings.Join(got["spam.reasons"].([]string), "\n")
	}
	plain, _ := judge()
	for _, c := range []struct {
		facts  []any
		worse  int // 1 more like spam, -1 less, 0 the same
		reason string
	}{
		{[]any{"dmarc.result", "pass", "spf.result", "pass"}, 0, ""},
		{[]any{"dmarc.result", "fail", "dmarc.policy", "reject", "dmarc.domain", "a.test"}, 1, "not authenticated as a.test, which asks for reject"},
		{[]any{"dmarc.result", "fail", "dmarc.policy", "none", "dmarc.domain", "a.test"}, 1, "not authenticated as a.test"},
		{[]any{"dmarc.result", "fail", "dmarc.policy", "reject", "dmarc.list_mail", true}, 0, ""},
		{[]any{"dmarc.result", "fail", "dmarc.policy", "reject", "dmarc.forwarder", true}, 0, ""},
		{[]any{"dmarc.result", "fail", "dmarc.policy", "reject", "arc.trusted", true}, 0, ""},
		{[]any{"dmarc.result", "fail", "dmarc.policy", "reject", "arc.trusted", true, "arc.dmarc", "fail"}, 1, "not authenticated"},
		{[]any{"dmarc.result", "none", "spf.result", "fail", "spf.domain", "b.test"}, 1, "may not send for b.test (SPF)"},
		{[]any{"dnsbl.score", 5.0, "dnsbl.reason", "192.0.2.1 is listed"}, 1, "block-listed: 192.0.2.1 is listed"},
		{[]any{"dnsbl.score", 5.0, "dnsbl.allowed", true}, -1, "allow list"},
		{[]any{"antivirus.infected", true, "antivirus.virus", "Eicar"}, 1, "carries Eicar"},
	} {
		score, reasons := judge(c.facts...)
		if (score > plain) != (c.worse > 0) || (score < plain) != (c.worse < 0) || !strings.Contains(reasons, c.reason) {
			t.Errorf("%v: %g, plain %g, %s", c.facts, score, plain, reasons)
		}
	}
	half, _ := judge("dnsbl.score", 2.5)
	full, _ := judge("dnsbl.score", 5.0)
	over, _ := judge("dnsbl.score", 500.0)
	all, _ := judge("dnsbl.score", 5.0, "antivirus.infected", true, "dmarc.result", "fail", "dmarc.policy", "reject")
	if !(plain < half && half < full) || full != over || all-plain > model.Empty().Points(learned.MaxEvidence)+1e-9 {
		t.Errorf("%g, half listed %g, listed %g, very much %g, everything %g", plain, half, full, over, all)
	}
}

// TestEachRecipientHasHisOwn: who has taught the filter has a score of his
// own, nobody else has it, and nothing is said of who has the common one.
func TestEachRecipientHasHisOwn(t *testing.T) {
	t.Parallel()
	train := mail(t, specimen.Train, 100)
	common := teach(t, train)
	for i := range train { // he sees it the other way round
		train[i].Class = map[bool]specimen.Class{true: specimen.Ham, false: specimen.Lure}[train[i].Class.Label() == "spam"]
	}
	own := teach(t, append(train, train...), common)
	f := newFilter(t, DefaultOptions(), Deps{Learned: &taught{all: common, own: own}})
	v, err := filtertest.Judge(t.Context(), f, transaction("u", "taught", "v"), arrive(t, train[0].Raw, 0))
	if err != nil {
		t.Fatal(err)
	}
	if len(v.Rcpts) != 3 || v.Rcpts[0] != nil || v.Rcpts[2] != nil {
		t.Fatalf("%v", v.Rcpts)
	}
	all, his := gateway.Facts{}.With(v.Facts...), gateway.Facts{}.With(v.Rcpts[1]...)
	a, _ := all.Get("spam.score")
	b, _ := his.Get("spam.score")
	if (a.(float64) > 0) == (b.(float64) > 0) {
		t.Errorf("everybody's score %v, his %v", a, b)
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	if err := DefaultOptions().Validate(); err != nil {
		t.Error(err)
	}
	for want, o := range map[string]Options{
		"unsure":  {Threshold: 1, Unsure: 2},
		"reasons": {Reasons: 1000},
	} {
		if _, err := New(o, Deps{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	f := newFilter(t, Options{Threshold: 3, Unsure: -1}, Deps{})
	for score, want := range map[float64]string{3: "spam", 2.9: "unsure", -1: "unsure", -1.1: "ham"} {
		if got := f.class(f.calibration(), score); got != want {
			t.Errorf("%g: %s", score, got)
		}
	}
	f = newFilter(t, Options{Threshold: 3, Unsure: -1}, Deps{Explain: true})
	v, err := filtertest.Judge(t.Context(), f, transaction("u"), arrive(t, []byte("Subject: x\r\n\r\ny"), 0))
	if _, there := gateway.Facts.Get(gateway.Facts{}.With(v.Facts...), "spam.reasons"); err != nil || there {
		t.Errorf("%v, %v", v.Facts, err)
	}
}

// TestBrokenOff: a transaction that ends leaves nothing behind.
func TestBrokenOff(t *testing.T) {
	t.Parallel()
	f := newFilter(t, DefaultOptions(), Deps{})
	ctx, cancel := context.WithCancel(t.Context())
	m := arrive(t, []byte("Subject: x\r\n\r\ny"), 0)
	cancel()
	<-m.walk.Done()
	pending := &arriving{m.header, m.body, parts.New(m.header, body.Options{})}
	defer pending.walk.Release()
	if r, err := f.Read(ctx, transaction("u"), pending); err == nil || r != nil {
		t.Errorf("%v, %v", r, err)
	}
}

// TestConcurrent messages do not get into each other.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	l := teach(t, mail(t, specimen.Train, 60))
	f := newFilter(t, DefaultOptions(), Deps{Learned: &taught{all: l}})
	list := mail(t, specimen.Test, 40)
	score := func(x specimen.Message) float64 {
		v, err := filtertest.Judge(t.Context(), f, transaction("u"), arrive(t, x.Raw, 0))
		if err != nil {
			t.Error(err)
			return 0
		}
		s, _ := gateway.Facts{}.With(v.Facts...).Get("spam.score")
		return s.(float64)
	}
	want := make([]float64, len(list))
	for i, x := range list {
		want[i] = score(x)
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for i, x := range list {
				if got := score(x); got != want[i] {
					t.Errorf("%s: %g, alone %g", x.Origin, got, want[i])
				}
			}
		})
	}
	all.Wait()
}

func BenchmarkFilter(b *testing.B) {
	l := teach(b, mail(b, specimen.Train, 60))
	f := newFilter(b, DefaultOptions(), Deps{Learned: &taught{all: l}})
	list := mail(b, specimen.Test, 40)
	var all []*arriving
	size := 0
	for _, x := range list {
		all = append(all, arrive(b, x.Raw, 0))
		size += len(x.Raw)
	}
	tx := transaction("u")
	b.SetBytes(int64(size / len(list)))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		r, err := f.Read(b.Context(), tx, all[i%len(all)])
		if err != nil {
			b.Fatal(err)
		}
		if _, err := r.Conclude(b.Context(), tx); err != nil {
			b.Fatal(err)
		}
	}
}
