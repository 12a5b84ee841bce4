package spam_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gapura-mail/gapura/filters/filtertest"
	"github.com/gapura-mail/gapura/filters/spam"
	"github.com/gapura-mail/gapura/filters/spam/anatomy"
	"github.com/gapura-mail/gapura/filters/spam/learned"
	"github.com/gapura-mail/gapura/filters/spam/model"
	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/body"
	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/parts"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// house is what everybody, each domain and each user has taught.
type house struct {
	shared        []*model.Layer
	domains, user map[string]*model.Layer
	friend        string // has written to every sender
}

func (h *house) Layers(_ context.Context, user string) []*model.Layer {
	list := append([]*model.Layer{}, h.shared...)
	if l := h.domains[user[strings.LastIndexByte(user, '@')+1:]]; l != nil {
		list = append(list, l)
	}
	if l := h.user[user]; l != nil {
		list = append(list, l)
	}
	return list
}

func (*house) Reputation(context.Context, learned.Sender) (r learned.Reputation, err error) {
	return r, nil
}

func (h *house) Known(_ context.Context, user, _ string) (bool, error) {
	return user == h.friend, nil
}
func (*house) IsReply(context.Context, string, ...string) (bool, error) { return false, nil }
func (*house) Seen(context.Context, learned.Sighting)                   {}
func (*house) Calibration() learned.Calibration {
	return learned.Calibration{Threshold: model.SpamScore, Slope: 1}
}

func (*house) Worth(_ context.Context, clues []learned.Clue) []float64 {
	worth := make([]float64, len(clues))
	for i := range worth {
		worth[i] = 1
	}
	return worth
}

// richest is the hostile message that has most features.
func richest(j *judge) (raw []byte) {
	most := 0
	for _, m := range allHostile {
		j.ask(m)
		if n := j.v.Len(); n > most {
			most, raw = n, m
		}
	}
	j.ask(raw)
	return raw
}

// features of a message.
func features(tb testing.TB, raw []byte) *model.Vector {
	tb.Helper()
	var m anatomy.Message
	if err := m.Parse(raw); err != nil {
		tb.Fatal(err)
	}
	v := model.NewVector()
	model.Features(&m, v)
	return v
}

// prose is a message of many words that nobody knows.
func prose(r *rand.Rand) []byte {
	words := make([]string, 1500)
	for i := range words {
		words[i] = fmt.Sprintf("w%x", r.Uint64())
	}
	return letter("text/plain", strings.Join(words, " "))
}

// arrived is a message that is all there, taken apart.
func arrived(tb testing.TB, raw []byte) *filtertest.Message {
	m := filtertest.New(tb, string(raw))
	in := body.New(body.Options{})
	walk := parts.New(m.Header(), body.Options{})
	_, rest := message.Split(raw)
	if _, err := in.Write(rest); err != nil {
		tb.Fatal(err)
	}
	in.Close()
	walk.Run(in.Open(), in)
	for p, err := range walk.All(tb.Context()) {
		if err != nil {
			tb.Fatal(err)
		}
		m.List = append(m.List, p)
	}
	tb.Cleanup(func() { walk.Release(); in.Release() })
	return m
}

// copies of a layer.
func copies(tb testing.TB, l *model.Layer, n int) []*model.Layer {
	var b bytes.Buffer
	if _, err := l.WriteTo(&b); err != nil {
		tb.Fatal(err)
	}
	list := make([]*model.Layer, n)
	for i := range list {
		var err error
		if list[i], err = model.ReadLayer(bytes.NewReader(b.Bytes())); err != nil {
			tb.Fatal(err)
		}
	}
	return list
}

// to is a transaction for recipients.
func to(rcpts ...string) *gateway.Transaction {
	tx := filtertest.Transaction("192.0.2.1", "x")
	for _, r := range rcpts {
		local, domain, _ := strings.Cut(r, "@")
		tx.Rcpts = append(tx.Rcpts, gateway.Recipient{To: smtp.ForwardPath{Address: smtp.Address{Local: local, Domain: domain}}})
	}
	return tx
}

// some are users of a domain.
func some(n int, domain string) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprintf("u%d@%s", i, domain))
	}
	return list
}

func shippedModel(tb testing.TB) *model.Model {
	tb.Helper()
	m, err := spam.Shipped()
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// scores are what the filter makes of a message for each recipient.
func scores(t *testing.T, m *model.Model, h *house, raw []byte, rcpts []string) []float64 {
	t.Helper()
	f, err := spam.New(spam.DefaultOptions(), spam.Deps{Model: m, Learned: h})
	if err != nil {
		t.Fatal(err)
	}
	var v gateway.Verdict
	tx := to(rcpts...)
	tx.Facts = filtertest.Facts("dmarc.result", "pass")
	for range 2 { // the second is not judged by what is left of the first
		if v, err = filtertest.Judge(t.Context(), f, tx, arrived(t, raw)); err != nil {
			t.Fatal(err)
		}
	}
	list := make([]float64, len(rcpts))
	for i := range list {
		facts := gateway.Facts{}.With(v.Facts...)
		if v.Rcpts != nil && v.Rcpts[i] != nil {
			facts = gateway.Facts{}.With(v.Rcpts[i]...)
		}
		x, _ := facts.Get("spam.score")
		list[i] = x.(float64)
	}
	return list
}

const shortMail = "From: Ann <ann@a.test>\r\nReceived: from a.test by b.test\r\nSubject: your invoice\r\n\r\nplease pay at https://pay.c.test/ and https://www.d.test/ or reply\r\n"

// TestRecipientsAreJudgedAsEachAlone: what their layers share is added up once,
// and each has the score, to the last bit, that his layers give.
func TestRecipientsAreJudgedAsEachAlone(t *testing.T) {
	t.Parallel()
	base := shippedModel(t)
	spam := features(t, []byte(shortMail))
	ham := features(t, []byte(strings.NewReplacer("c.test", "e.test", "pay at", "look at").Replace(shortMail)))
	layer := func(limit float64, spams, hams int) *model.Layer {
		l := model.NewSparse()
		for range spams {
			l.Learn(base, nil, spam, true, 1)
		}
		for range hams {
			l.Learn(base, nil, ham, false, 1)
		}
		l.Limit(limit)
		return l
	}
	h := &house{
		shared:  []*model.Layer{layer(0, 1, 2), layer(0.25, 2, 1)},
		domains: map[string]*model.Layer{"x.test": layer(0.75, 3, 0), "y.test": layer(0.75, 0, 3)},
		user: map[string]*model.Layer{
			"a@x.test": layer(0, 5, 0), "b@y.test": layer(0, 0, 5), "c@x.test": layer(0, 0, 4), "d@z.test": layer(0, 4, 4), "f@y.test": layer(0, 1, 0),
		},
	}
	rcpts := []string{"a@x.test", "b@y.test", "c@x.test", "d@z.test", "a@x.test", "e@x.test", "h@x.test", "f@y.test", "g@z.test"}
	h.friend = "h@x.test"
	different := map[float64]bool{}
	for i, got := range scores(t, base, h, []byte(shortMail), rcpts) {
		want := base.Score(spam, h.Layers(t.Context(), rcpts[i])...)
		if rcpts[i] == h.friend {
			want = base.Add(want, -3)
		}
		if got != want.Score {
			t.Errorf("%s: %v, alone %v", rcpts[i], got, want.Score)
		}
		different[got] = true
	}
	if len(different) != 8 {
		t.Errorf("%d scores", len(different))
	}
}

// mostLooked is how many features may be looked up in layers of domains and users.
const mostLooked = 192 << 10

// TestManyRecipientsOfARichMessage: a message with many features is judged by what
// some of its recipients have taught, and by what all and their domain have for the
// others; one with few for each of a hundred by what he has.
func TestManyRecipientsOfARichMessage(t *testing.T) {
	t.Parallel()
	base := shippedModel(t)
	for _, raw := range [][]byte{prose(rand.New(rand.NewPCG(1, 2))), []byte(shortMail)} {
		v := features(t, raw)
		all := model.NewSparse() // counts in any case
		all.Learn(base, nil, v, true, 1)
		h := &house{shared: []*model.Layer{all}, domains: map[string]*model.Layer{}, user: map[string]*model.Layer{}}
		h.domains["b.test"] = model.NewSparse()
		h.domains["b.test"].Learn(base, nil, v, true, 1)
		h.domains["c.test"] = copies(t, h.domains["b.test"], 1)[0]
		var rcpts []string
		for i, u := range some(30, "c.test") { // domains are looked up once, however they alternate
			rcpts = append(rcpts, u, some(30, "b.test")[i])
		}
		own := model.NewSparse()
		own.Learn(base, nil, v, false, 1)
		for i, l := range copies(t, own, len(rcpts)) {
			h.user[rcpts[i]] = l
		}
		want := mostLooked/v.Len() - 2 // the two domains
		shared, his := base.Score(v, all, h.domains["b.test"]).Score, base.Score(v, h.Layers(t.Context(), rcpts[0])...).Score
		for i, got := range scores(t, base, h, raw, rcpts) {
			of := shared
			if at := i/2 + 30*(1-i%2); at < want { // b.test comes first
				of = his
			}
			if got != of {
				t.Errorf("%d features, %s: %v, with his layer %v, without %v", v.Len(), rcpts[i], got, his, shared)
			}
		}
	}
}

// TestNobodyWaitsLongForWhatRecipientsHaveTaught: where the database is slow a
// message with many recipients is not held up for each.
func TestNobodyWaitsLongForWhatRecipientsHaveTaught(t *testing.T) {
	t.Parallel()
	m := arrived(t, []byte(shortMail))
	synctest.Test(t, func(t *testing.T) {
		f, err := spam.New(spam.DefaultOptions(), spam.Deps{Learned: &slow{}})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := filtertest.Judge(t.Context(), f, to(some(100, "b.test")...), m); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("%s", took)
		}
	})
}

// slow is a house whose users' layers cannot be read.
type slow struct{ house }

func (*slow) Layers(ctx context.Context, user string) []*model.Layer {
	if user == "" {
		return nil
	}
	select {
	case <-ctx.Done():
	case <-time.After(250 * time.Millisecond):
	}
	return nil
}

// BenchmarkHostileRecipients tells what the message with most features costs for
// many who have full layers of their own that know all of it.
func BenchmarkHostileRecipients(b *testing.B) {
	base, set := shippedModel(b), shippedRules(b)
	j := newJudge(b, set)
	raw := richest(j)
	h := &house{shared: []*model.Layer{model.NewLayer(), model.NewLayer()}, domains: map[string]*model.Layer{}, user: map[string]*model.Layer{}}
	r := rand.New(rand.NewPCG(1, 2))
	full := model.NewSparse()
	for full.Size() < 60_000-j.v.Len() {
		full.Learn(base, nil, features(b, prose(r)), true, 1)
	}
	for _, l := range append(h.shared, full) {
		for range 3 {
			l.Learn(base, nil, j.v, true, 1)
		}
	}
	h.shared[1].Limit(0.25)
	h.domains["b.test"] = copies(b, full, 1)[0]
	h.domains["b.test"].Limit(0.75)
	own := copies(b, full, 100)
	f, err := spam.New(spam.DefaultOptions(), spam.Deps{Model: base, Learned: h, Rules: set})
	if err != nil {
		b.Fatal(err)
	}
	for _, n := range []int{1, 100, 1000} {
		rcpts := some(n, "b.test")
		for i, u := range rcpts {
			h.user[u] = own[i%len(own)]
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var took []float64
			var mib float64
			for b.Loop() {
				tx, m := to(rcpts...), arrived(b, raw)
				runtime.GC() // of what is the benchmark's
				began := cpuTime()
				mib = float64(allocated(func() {
					if _, err := filtertest.Judge(b.Context(), f, tx, m); err != nil {
						b.Fatal(err)
					}
				})) / (1 << 20)
				took = append(took, 1000*(cpuTime()-began).Seconds())
			}
			b.ReportMetric(0, "ns/op")
			cost{ms: median(took), mib: mib}.report(b)
		})
	}
}
