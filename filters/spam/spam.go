package spam

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/gapura-mail/gapura/filters/spam/model"
	"github.com/gapura-mail/gapura/gateway"
)

// Name is the filter's name.
const Name = "spam"

// Filter implements gateway.BodyFilter.
type Filter struct {
	gateway.BodyOnly
	opt  Options
	deps Deps
	pool sync.Pool // of *reading
}

// Deps is what a Filter works with.
type Deps struct {
	// Model is the base model; nil: one that has learned nothing.
	Model *model.Model
	// Layers returns what was learned above the base: for everybody, or with
	// a recipient for him. A recipient who has nothing of his own has the
	// layers of everybody. nil: nothing was learned.
	Layers func(rcpt *gateway.Recipient) []*model.Layer
	// Explain: reasons of ham are wanted too, whose finding takes longer than
	// the score.
	Explain bool
	// Metrics count; nil: nothing does.
	Metrics *Metrics
}

var (
	_ gateway.BodyFilter = (*Filter)(nil)
	_ gateway.Staged     = (*Filter)(nil)
	_ gateway.Ordered    = (*Filter)(nil)
)

// New returns the filter.
func New(opt Options, deps Deps) (*Filter, error) {
	if err := opt.Validate(); err != nil {
		return nil, err
	}
	if deps.Model == nil {
		deps.Model = model.Empty()
	}
	f := &Filter{opt: opt, deps: deps}
	f.pool.New = func() any { return newReading(f) }
	return f, nil
}

// Name implements gateway.Filter.
func (*Filter) Name() string { return Name }

// After implements gateway.Ordered.
func (*Filter) After() []string {
	return []string{"spf", "dkim", "dmarc", "arc", "dnsbl", "antivirus"}
}

// Fields implements gateway.Filter.
func (*Filter) Fields() []gateway.Field {
	const at = gateway.StageMessage
	return []gateway.Field{
		{Name: "spam.score", Type: gateway.Float, Stage: at, Rcpt: true, Doc: "How much the message looks like spam: 0 is as likely as not, 5 the default threshold; ham is below 0, and higher is worse."},
		{Name: "spam.probability", Type: gateway.Float, Stage: at, Rcpt: true, Doc: "Probability that the message is spam, 0 to 1, calibrated on mail like that of most organisations."},
		{Name: "spam.class", Type: gateway.String, Default: "none", Stage: at, Rcpt: true, Doc: "spam from the filter's threshold on, unsure from its option unsure on, else ham; none where the filter did not look."},
		{Name: "spam.reasons", Type: gateway.Strings, Stage: at, Rcpt: true, Doc: "What made the score, each with its weight in front, positive for spam; the weightiest first. None of ham, but in gapura explain."},
		{Name: "spam.threshold", Type: gateway.Float, Stage: at, Doc: "The score from which on spam.class is spam."},
	}
}

// Read implements gateway.BodyFilter: it takes the message apart as it arrives.
func (f *Filter) Read(ctx context.Context, _ *gateway.Transaction, m gateway.Message) (gateway.Reading, error) {
	r := f.pool.Get().(*reading)
	if err := r.read(ctx, m); err != nil {
		f.pool.Put(r)
		return nil, err
	}
	return r, nil
}

// class returns the class of a score by the filter's thresholds.
func (f *Filter) class(score float64) string {
	switch {
	case score >= f.opt.Threshold:
		return model.Spam
	case score >= f.opt.Unsure:
		return model.Unsure
	}
	return model.Ham
}

var errConcluded = errors.New("spam: concluded before")

// Conclude implements gateway.Reading.
func (r *reading) Conclude(_ context.Context, tx *gateway.Transaction) (gateway.Verdict, error) {
	f := r.f
	if r.done {
		return gateway.Verdict{}, errConcluded
	}
	began := time.Now()
	r.done = true
	defer f.pool.Put(r)
	model.Features(&r.m, r.v)
	layers := f.layers(nil)
	e := evidence{}
	e.filters(tx.Facts)
	s := f.deps.Model.Add(f.deps.Model.Score(r.v, layers...), e.total())
	v := gateway.Verdict{Facts: append(r.facts(s, &e, layers), gateway.Fact{Name: "spam.threshold", Value: f.opt.Threshold})}
	f.deps.Metrics.scored(s, f.class(s.Score), r.took+time.Since(began))
	for i := range tx.Rcpts {
		own := f.layers(&tx.Rcpts[i])
		if sameLayers(own, layers) {
			continue
		}
		if v.Rcpts == nil {
			v.Rcpts = make([][]gateway.Fact, len(tx.Rcpts))
		}
		v.Rcpts[i] = r.facts(f.deps.Model.Add(f.deps.Model.Score(r.v, own...), e.total()), &e, own)
	}
	return v, nil
}

// layers returns what was learned for a recipient, or for everybody.
func (f *Filter) layers(rcpt *gateway.Recipient) []*model.Layer {
	if f.deps.Layers == nil {
		return nil
	}
	return f.deps.Layers(rcpt)
}

func sameLayers(a, b []*model.Layer) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// facts returns what a score tells.
func (r *reading) facts(s model.Score, e *evidence, layers []*model.Layer) []gateway.Fact {
	facts := append(make([]gateway.Fact, 0, 5),
		gateway.Fact{Name: "spam.score", Value: s.Score},
		gateway.Fact{Name: "spam.probability", Value: s.Probability},
		gateway.Fact{Name: "spam.class", Value: r.f.class(s.Score)})
	if r.f.opt.Reasons == 0 || s.Score < r.f.opt.Unsure && !r.f.deps.Explain {
		return facts
	}
	var reasons []string
	n := int(r.f.opt.Reasons)
	for _, x := range e.merge(r.f.deps.Model, r.f.deps.Model.Explain(&r.m, n, layers...), n) {
		reasons = append(reasons, Reason(x))
	}
	return append(facts, gateway.Fact{Name: "spam.reasons", Value: reasons})
}

// Reason returns a reason as it stands in spam.reasons: "+1.25 text".
func Reason(x model.Reason) string {
	b := make([]byte, 0, 16+len(x.Text))
	if x.Weight >= 0 {
		b = append(b, '+')
	}
	b = strconv.AppendFloat(b, x.Weight, 'f', 2, 64)
	return string(append(append(b, ' '), x.Text...))
}
