package spam

import (
	"context"
	"errors"
	"hash"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/filters/spam/anatomy"
	"github.com/gapura-mail/gapura/filters/spam/learned"
	"github.com/gapura-mail/gapura/filters/spam/link"
	"github.com/gapura-mail/gapura/filters/spam/model"
	"github.com/gapura-mail/gapura/filters/spam/urilist"
	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/message"
)

// maxContainers is how many multiparts and messages within are noted.
const maxContainers = 100

// reading is what was read of one message.
type reading struct {
	f    *Filter
	m    anatomy.Message
	v    *model.Vector
	took time.Duration // without waiting for the client
	done bool

	containers []gateway.Container // noted in m
	query      *urilist.Query      // nil: none is asked
	asked      int                 // links that it was asked about
	explained  []explained
	levels     []level
	height     int            // levels that are of this message
	looked     int            // features that were looked up in what some have taught
	came       []learned.Clue // of a kept message, as its header tells; nil: nothing does
}

// How often one message is explained: users with lessons of their own have each
// another explanation, which takes longer than a score, the longer the more
// features the message has.
const (
	maxExplained = 8
	maxNamed     = 48 << 10 // features in all, where it is more than twice
)

// explained is what some layers say of the message.
type explained struct {
	layers  []*model.Layer
	reasons []model.Reason
}

// explain returns the n reasons that the model has by some layers; none where
// too many were asked for already. They are the caller's to change.
func (r *reading) explain(layers []*model.Layer, n int) []model.Reason {
	for _, x := range r.explained {
		if sameLayers(x.layers, layers) {
			return slices.Clone(x.reasons)
		}
	}
	if n := len(r.explained); n == maxExplained || n > 1 && (n+1)*r.v.Len() > maxNamed {
		return nil
	}
	r.score(layers, len(layers))
	reasons := r.levels[r.height-1].sums.Explain(&r.m, n)
	r.explained = append(r.explained, explained{layers, reasons})
	return slices.Clone(reasons)
}

func newReading(f *Filter) *reading { return &reading{f: f, v: model.NewVector()} }

// forget forgets what was thought of the message before.
func (r *reading) forget() {
	clear(r.explained)
	r.explained, r.came, r.height, r.looked = r.explained[:0], nil, 0, 0
}

// read takes a message apart.
func (r *reading) read(ctx context.Context, tx *gateway.Transaction, m gateway.Message) (err error) {
	r.done, r.took, r.containers, r.query, r.asked = false, 0, r.containers[:0], nil, 0
	r.forget()
	r.timed(func() { r.m.Begin(m.Header()) })
	if r.f.lists != nil {
		r.query = r.f.lists.Start(ctx)
		defer func() {
			if err != nil {
				r.query.Close()
			}
		}()
		r.askSender(tx)
	}
	for p, err := range m.Parts(ctx) {
		if err != nil {
			return err
		}
		if p.Reading != message.Plain { // ambiguous mail is the policy's matter
			continue
		}
		if err := r.part(ctx, p); err != nil {
			return err
		}
	}
	r.timed(r.m.Done)
	r.askLinks()
	r.askText()
	return nil
}

// askSender asks the lists about whoever sends the message.
func (r *reading) askSender(tx *gateway.Transaction) {
	for _, a := range slices.Concat(r.m.Header.From, r.m.Header.ReplyTo) {
		r.query.AddSender(a.Domain)
		r.query.AddAddress(a.Local + "@" + a.Domain)
	}
	if d := tx.From.Address.Domain; d != "" {
		r.query.AddSender(d)
	}
}

// askLinks asks the lists about the links that have come since.
func (r *reading) askLinks() {
	if r.query == nil {
		return
	}
	for _, l := range r.m.Page.Links[min(r.asked, len(r.m.Page.Links)):] {
		if u, ok := link.Parse(l.Target); ok {
			r.query.Add(u)
		}
	}
	r.asked = len(r.m.Page.Links)
}

// askText asks the lists about what is known of the text once it is whole: the mail
// addresses to which it wants answers, and the links of QR codes.
func (r *reading) askText() {
	if r.query == nil {
		return
	}
	for _, a := range link.Addresses(r.m.Page.Text) {
		r.query.AddAddress(a)
	}
	for i := range r.m.Links {
		if l := &r.m.Links[i]; l.QR && l.OK {
			r.query.Add(l.URL)
		}
	}
}

// timed counts the time that f takes.
func (r *reading) timed(f func()) {
	began := time.Now()
	f()
	r.took += time.Since(began)
}

// part takes one leaf.
func (r *reading) part(ctx context.Context, p *gateway.Part) error {
	r.within(p.Within)
	info := anatomy.Info{Path: p.Path, Type: p.Type, Charset: p.Params["charset"], Name: p.Filename, Disposition: p.Disposition, Encoding: p.Encoding}
	if n := len(p.Within); n > 0 {
		info.Within = p.Within[n-1].Type
	}
	content, err := r.content(p, info)
	if err != nil {
		return err
	}
	_, size, err := p.Content.ReaderAt(ctx)
	if err != nil {
		return err
	}
	r.timed(func() { r.m.Part(ctx, info, content, size) })
	r.askLinks()
	return r.askFile(p)
}

// askFile asks the lists that know files about what is attached, whose whole
// content they know by its hash.
func (r *reading) askFile(p *gateway.Part) error {
	if r.query == nil || len(r.f.hashes) == 0 || p.Filename == "" && p.Disposition != "attachment" && !strings.HasPrefix(p.Type, "application/") {
		return nil
	}
	sums := make([]hash.Hash, len(r.f.hashes))
	all := make([]io.Writer, len(sums))
	for i, h := range r.f.hashes {
		sums[i] = h.New()
		all[i] = sums[i]
	}
	in := p.Content.Open()
	defer in.Close()
	n, err := io.Copy(io.MultiWriter(all...), in)
	if n == 0 || err != nil {
		return err
	}
	for _, s := range sums {
		r.query.AddHash(s.Sum(nil))
	}
	return nil
}

// content reads what is wanted of a part.
func (r *reading) content(p *gateway.Part, info anatomy.Info) (*anatomy.Content, error) {
	c := r.m.Content(info)
	if anatomy.Wants(info) == 0 {
		return c, nil
	}
	in := p.Content.Open()
	defer in.Close()
	for {
		room := c.Room()
		if len(room) == 0 {
			return c, nil
		}
		n, err := in.Read(room)
		c.Took(n)
		if errors.Is(err, io.EOF) {
			return c, nil
		} else if err != nil {
			return nil, err
		}
	}
}

// within notes the containers that begin with a part.
func (r *reading) within(path []gateway.Container) {
	r.m.Depth = max(r.m.Depth, len(path))
	for _, c := range path {
		if len(r.containers) == maxContainers {
			return
		}
		seen := false
		for _, x := range r.containers {
			seen = seen || x == c
		}
		if !seen {
			r.containers = append(r.containers, c)
			r.m.Multi = append(r.m.Multi, c.Type)
		}
	}
}
