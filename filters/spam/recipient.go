package spam

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/filters/spam/model"
	"github.com/gapura-mail/gapura/gateway"
)

const (
	// maxLooked is how many features of one message are looked up in what domains
	// and users have taught. What is taught beyond does not count for it.
	maxLooked = 192 << 10
	// maxWait bounds the wait for what is known of all its recipients, where
	// that must be read.
	maxWait = time.Second
)

// level is what the base makes of the message, and the layers up to this one.
type level struct {
	layer *model.Layer // nil: none yet
	sums  *model.Sums
	score *model.Score // nil: not reckoned yet
}

// score scores the message by layers, and tells which of them counted. What they
// share with those of the call before is not added up again. The first free of
// them are looked up in any case.
func (r *reading) score(layers []*model.Layer, free int) (model.Score, []*model.Layer) {
	if r.height == 0 {
		r.rise(nil)
	}
	n := 0
	for n < len(layers) && n+1 < r.height && r.levels[n+1].layer == layers[n] {
		n++
	}
	r.height = n + 1
	for ; n < len(layers); n++ {
		if n >= free {
			if r.looked+r.v.Len() > maxLooked {
				break
			}
			r.looked += r.v.Len()
		}
		r.rise(layers[n])
	}
	top := &r.levels[n]
	if top.score == nil {
		s := top.sums.Score()
		top.score = &s
	}
	return *top.score, layers[:n]
}

// rise adds a layer to the uppermost level.
func (r *reading) rise(l *model.Layer) {
	if r.height == len(r.levels) {
		r.levels = append(r.levels, level{sums: &model.Sums{}})
	}
	next := &r.levels[r.height]
	next.layer, next.score = l, nil
	if l == nil {
		next.sums = r.f.deps.Model.Sum(r.v)
	} else {
		next.sums.Copy(r.levels[r.height-1].sums)
		next.sums.Add(l)
	}
	r.height++
}

// recipient is one of whom something of his own may be known.
type recipient struct {
	at           int
	user, domain string
}

// recipients are those of a message, of each domain together: so what it has
// taught is added up once.
func (f *Filter) recipients(ctx context.Context, tx *gateway.Transaction) []recipient {
	list := make([]recipient, len(tx.Rcpts))
	for i := range list {
		user := f.user(ctx, tx.Rcpts[i].To)
		list[i] = recipient{i, user, user[strings.LastIndexByte(user, '@')+1:]}
	}
	slices.SortStableFunc(list, func(a, b recipient) int { return cmp.Compare(a.domain, b.domain) })
	return list
}

// judgeEach judges for each recipient; where there is nothing of one, he has what
// all have. known is the first that knows the sender; "": nobody does.
func (r *reading) judgeEach(ctx context.Context, tx *gateway.Transaction, who sender, c calibration, all *judgement) (facts [][]gateway.Fact, known string) {
	list, first := r.f.recipients(ctx, tx), len(tx.Rcpts)
	ctx, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	var last *judgement
	var told []gateway.Fact // of it
	for _, rcpt := range list {
		own, knows := r.judgeFor(ctx, rcpt.user, who, c, all)
		if knows && rcpt.at < first {
			known, first = rcpt.user, rcpt.at
		}
		if own == nil {
			continue
		}
		if facts == nil {
			facts = make([][]gateway.Fact, len(list))
		}
		if last == nil || own.e != last.e || !sameLayers(own.layers, last.layers) {
			last, told = own, own.facts()
		}
		facts[rcpt.at] = told
	}
	return facts, known
}

// judgeFor judges for one user; nil: as for all. knows: the sender is a
// contact of his, or answers him.
func (r *reading) judgeFor(ctx context.Context, user string, who sender, c calibration, all *judgement) (own *judgement, knows bool) {
	f, e := r.f, all.e
	if f.deps.Learned == nil {
		return nil, false
	}
	if why := f.contact(ctx, who, user); why != "" {
		own := evidence{odds: e.odds, reasons: slices.Clone(e.reasons)}
		own.add(contactWeight, "%s", why)
		e, knows = &own, true
	}
	layers := f.layers(ctx, user)
	if !knows && sameLayers(layers, all.layers) {
		return nil, false
	}
	score, layers := r.score(layers, len(all.layers))
	if !knows && sameLayers(layers, all.layers) { // nothing more was looked up
		return nil, false
	}
	return r.judge(c, score, layers, e), knows
}
