package spam

import (
	"context"
	"crypto"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gapura-mail/gapura/filters/spam/learned"
	"github.com/gapura-mail/gapura/filters/spam/model"
	"github.com/gapura-mail/gapura/filters/spam/rule"
	"github.com/gapura-mail/gapura/filters/spam/urilist"
	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// Name is the filter's name.
const Name = "spam"

// Filter implements gateway.BodyFilter.
type Filter struct {
	gateway.BodyOnly
	opt   Options
	deps  Deps
	lists *urilist.Lists // nil: none
	// hashes are those by which lists know files.
	hashes []crypto.Hash
	pool   sync.Pool // of *reading
}

// Deps is what a Filter works with.
type Deps struct {
	// Model is the base model; nil: one that has learned nothing.
	Model *model.Model
	// Learned is what this installation has learned; nil: nothing.
	Learned Learned
	// User returns the account that a recipient's mail goes to, in lower case;
	// nil: the address is taken for it.
	User func(ctx context.Context, to smtp.ForwardPath) string
	// Rules are the readable signals; nil: none.
	Rules *rule.Set
	// Resolver asks the lists of the options.
	Resolver dns.Resolver
	// Own are domains of ours: names and addresses of ours are told to no list.
	Own []string
	// Explain: reasons of ham are wanted too, whose finding takes longer than
	// the score.
	Explain bool
	// Metrics count; nil: nothing does.
	Metrics *Metrics
}

// Learned is what a Filter asks and tells learned.Store.
type Learned interface {
	Layers(ctx context.Context, user string) []*model.Layer
	Reputation(ctx context.Context, from learned.Sender) (learned.Reputation, error)
	Known(ctx context.Context, user, address string) (bool, error)
	IsReply(ctx context.Context, user string, ids ...string) (bool, error)
	Seen(ctx context.Context, m learned.Sighting)
	Calibration() learned.Calibration
	Worth(ctx context.Context, clues []learned.Clue) []float64
}

var (
	_ Learned            = (*learned.Store)(nil)
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
	if len(opt.Lists) > 0 {
		lists, err := urilist.New(opt.Options, deps.Resolver)
		if err != nil {
			return nil, err
		}
		lists.Skip(deps.Own...)
		f.lists, f.hashes = lists, lists.FileHashes()
	}
	f.pool.New = func() any { return newReading(f) }
	return f, nil
}

// Name implements gateway.Filter.
func (*Filter) Name() string { return Name }

// After implements gateway.Ordered.
func (*Filter) After() []string {
	return []string{"spf", "dkim", "dmarc", "arc", "dnsbl", "attachment", "antivirus"}
}

// Fields implements gateway.Filter.
func (*Filter) Fields() []gateway.Field {
	const at = gateway.StageMessage
	return []gateway.Field{
		{Name: "spam.score", Type: gateway.Float, Stage: at, Rcpt: true, Doc: "How much the message looks like spam: 0 is as likely as not for mail like that learned, 5 the default threshold; ham is below 0, and higher is worse."},
		{Name: "spam.probability", Type: gateway.Float, Stage: at, Rcpt: true, Doc: "Probability that the message is spam, 0 to 1, calibrated on mail of senders and kinds that the model has not learned."},
		{Name: "spam.class", Type: gateway.String, Default: "none", Stage: at, Rcpt: true, Doc: "spam from the filter's threshold on, unsure from its option unsure on, else ham; none where the filter did not look."},
		{Name: "spam.reasons", Type: gateway.Strings, Stage: at, Rcpt: true, Doc: "What made the score, each with its weight in front, positive for spam; the weightiest first. None of ham, but in gapura explain."},
		{Name: "spam.rules", Type: gateway.Strings, Stage: at, Doc: "Names of the readable signals that the message has."},
		{Name: "spam.lists", Type: gateway.Strings, Stage: at, Doc: "Zones of DNS lists that list something in the message, each once."},
		{Name: "spam.list_errors", Type: gateway.Strings, Stage: at, Doc: "DNS lists that did not answer, or refused to, each with the reason: \"dbl.example.org: name servers did not answer\"."},
		{Name: "spam.evidence", Type: gateway.Strings, Stage: at, Doc: "What is known beside the message, each with its usual weight in log-odds, above 0 for spam: dnsbl:3.00. What it weighs here is in spam.reasons."},
		{Name: "spam.threshold", Type: gateway.Float, Stage: at, Doc: "The score from which on spam.class is spam."},
	}
}

// Read implements gateway.BodyFilter: it takes the message apart as it arrives.
func (f *Filter) Read(ctx context.Context, tx *gateway.Transaction, m gateway.Message) (gateway.Reading, error) {
	r := f.pool.Get().(*reading)
	if err := r.read(ctx, tx, m); err != nil {
		f.pool.Put(r)
		return nil, err
	}
	return r, nil
}

var errConcluded = errors.New("spam: concluded before")

// Conclude implements gateway.Reading.
func (r *reading) Conclude(ctx context.Context, tx *gateway.Transaction) (gateway.Verdict, error) {
	f := r.f
	if r.done {
		return gateway.Verdict{}, errConcluded
	}
	r.done = true
	defer f.pool.Put(r)
	hits, failed := r.listed(ctx)
	began := time.Now()
	c := f.calibration()
	all, who, names := r.forAll(ctx, tx, c, hits)
	v := gateway.Verdict{Facts: append(all.facts(), gateway.Fact{Name: "spam.threshold", Value: c.threshold}, gateway.Fact{Name: "spam.evidence", Value: written(all.e.clues)})}
	if len(names) > 0 {
		v.Facts = append(v.Facts, gateway.Fact{Name: "spam.rules", Value: names})
	}
	if len(hits) > 0 {
		v.Facts = append(v.Facts, gateway.Fact{Name: "spam.lists", Value: zones(hits)})
	}
	if len(failed) > 0 {
		v.Facts = append(v.Facts, gateway.Fact{Name: "spam.list_errors", Value: failed})
	}
	seen := learned.Sighting{Sender: who.Sender, Score: all.own, Class: all.class}
	if v.Rcpts, seen.By = r.judgeEach(ctx, tx, who, c, all); seen.By != "" {
		seen.Truth = model.Ham
	}
	if f.deps.Learned != nil && f.opt.Learn.Reputation {
		f.deps.Learned.Seen(ctx, seen)
	}
	f.deps.Metrics.scored(all.score, all.class, r.took+time.Since(began))
	return v, nil
}

// forAll judges for those of whom nothing more is known. It tells as well who
// sends the message, and which rules it matches.
func (r *reading) forAll(ctx context.Context, tx *gateway.Transaction, c calibration, hits []urilist.Hit) (all *judgement, who sender, names []string) {
	f := r.f
	rules := r.rules(tx.Facts)
	model.Features(&r.m, r.v, Signals(rules)...)
	e := &evidence{}
	if r.came != nil {
		e.came(r.came, tx.Facts, f.opt.Lists)
	} else {
		e.filters(tx.Facts)
	}
	who = r.sender(tx)
	e.reputation(ctx, f, who)
	e.lists(hits, f.deps.Model)
	e.settle(ctx, f)
	layers := f.layers(ctx, "")
	score, layers := r.score(layers, len(layers))
	names = e.rules(rules, f.deps.Model.RuleOdds(score))
	return r.judge(c, score, layers, e), who, names
}

// rules returns the rules that the message matches.
func (r *reading) rules(facts gateway.Facts) []rule.Hit {
	if r.f.deps.Rules == nil {
		return nil
	}
	return r.f.deps.Rules.Match(&r.m, facts)
}

// calibration is how scores are read here.
type calibration struct {
	learned.Calibration
	threshold float64
}

// calibration returns the configured threshold, moved as the mail here has
// shown to be right.
func (f *Filter) calibration() calibration {
	c := calibration{learned.Calibration{Threshold: model.SpamScore, Slope: 1}, 0}
	if f.deps.Learned != nil {
		c.Calibration = f.deps.Learned.Calibration()
	}
	c.threshold = f.opt.Threshold + c.Threshold - model.SpamScore
	return c
}

// class returns the class of a score.
func (f *Filter) class(c calibration, score float64) string {
	switch {
	case score >= c.threshold:
		return model.Spam
	case score >= f.opt.Unsure:
		return model.Unsure
	}
	return model.Ham
}

// judgement is what the filter thinks of a message, by some layers.
type judgement struct {
	r      *reading
	layers []*model.Layer
	e      *evidence
	own    model.Score // of the message itself
	score  model.Score // with the evidence
	class  string
}

func (r *reading) judge(c calibration, own model.Score, layers []*model.Layer, e *evidence) *judgement {
	j := &judgement{r: r, layers: layers, e: e, own: own}
	j.score = r.f.deps.Model.Add(j.own, e.total())
	j.score.Probability = c.Probability(j.score.Probability)
	j.class = r.f.class(c, j.score.Score)
	return j
}

// user returns whose layers and contacts count for a recipient.
func (f *Filter) user(ctx context.Context, to smtp.ForwardPath) string {
	if f.deps.User != nil {
		return f.deps.User(ctx, to)
	}
	return strings.ToLower(to.Address.String())
}

// layers returns what was learned for a user, or for everybody.
func (f *Filter) layers(ctx context.Context, user string) []*model.Layer {
	if f.deps.Learned == nil {
		return nil
	}
	return f.deps.Learned.Layers(ctx, user)
}

func sameLayers(a, b []*model.Layer) bool { return slices.Equal(a, b) }

// facts returns what a judgement tells.
func (j *judgement) facts() []gateway.Fact {
	f := j.r.f
	facts := append(make([]gateway.Fact, 0, 6),
		gateway.Fact{Name: "spam.score", Value: j.score.Score},
		gateway.Fact{Name: "spam.probability", Value: j.score.Probability},
		gateway.Fact{Name: "spam.class", Value: j.class})
	n := int(f.opt.Reasons)
	if n == 0 || j.class == model.Ham && !f.deps.Explain {
		return facts
	}
	var reasons []string
	for _, x := range j.e.merge(f.deps.Model, j.r.explain(j.layers, n), n) {
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
