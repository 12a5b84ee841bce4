package imapd

import (
	"context"
	"errors"
	"time"

	"github.com/gapura-mail/gapura/gateway/imap"
	"github.com/gapura-mail/gapura/gateway/mailbox"
	"github.com/gapura-mail/gapura/gateway/mailbox/index"
)

// found is the result of a search.
type found struct {
	uids   mailbox.UIDs
	modseq bool // MODSEQ was among the keys; then:
	highest,
	first, last uint64 // of all, of the first and of the last message
	low, high uint32 // the UIDs of those two
}

// seeker runs one search. A key is judged by what is cheap to know first: sets,
// then what the folder says of a message, then its index record, then its
// octets. What the cheaper level decides does not come to the next one.
type seeker struct {
	c        *conn
	ctx      context.Context
	now      int64
	keywords mailbox.Keywords
	root     node
	texts    int // BODY and TEXT among the keys
	modseq   bool
	budget   int64 // octets that may still be read

	m      *mailbox.Message
	record index.Record
	probe  probe
	err    error
	judged int       // messages
	told   time.Time // when the client heard of it last
}

// cost is what has to be known of a message for a key.
type cost uint8

const (
	costMeta cost = iota
	costRecord
	costOctets
)

// verdict is what is known of a key and a message.
type verdict int8

const (
	noMatch verdict = iota - 1
	unknown
	match
)

func verdictOf(b bool) verdict {
	if b {
		return match
	}
	return noMatch
}

// find returns the messages that a search program names.
func (c *conn) find(ctx context.Context, key *imap.SearchKey) (*found, error) {
	s := &seeker{c: c, ctx: ctx, now: time.Now().Unix(), keywords: c.view.Folder().Keywords, budget: maxSearchOctets}
	s.compile(&s.root, key)
	if s.modseq {
		c.enabled |= featureCondStore
	}
	uids, some, exact := s.narrow(&s.root)
	if !some {
		uids = c.view.Only(mailbox.AllUIDs)
	}
	if s.texts > 0 && c.srv.deps.Search != nil && uids.Len() > fewMessages {
		if err := s.lookUp(&s.root); err != nil {
			return nil, err
		}
		if found, some, e := s.narrow(&s.root); some {
			uids, exact = found, e
		}
	}
	if exact && !s.modseq {
		return &found{uids: uids}, nil
	}
	return s.run(uids)
}

// run judges messages.
func (s *seeker) run(uids mailbox.UIDs) (*found, error) {
	f := &found{modseq: s.modseq}
	var early, late mailbox.UIDs
	rest := uids
	if s.root.least == costMeta {
		rest = nil
		if _, err := s.c.view.Messages(s.ctx, uids, false, func(m *mailbox.Message) error {
			if err := s.tick(); err != nil {
				return err
			}
			s.m = m
			switch s.judge(&s.root, costMeta) {
			case match:
				early.Add(m.UID)
				f.note(m)
			case unknown:
				rest.Add(m.UID)
			}
			return nil
		}); err != nil {
			return nil, err
		}
	}
	if len(rest) > 0 {
		defer s.probe.shut()
		if _, err := s.c.view.Messages(s.ctx, rest, true, func(m *mailbox.Message) error {
			ok, err := s.deep(m)
			if ok {
				late.Add(m.UID)
				f.note(m)
			}
			return err
		}); err != nil {
			return nil, err
		}
	}
	f.uids = union(early, late)
	return f, nil
}

// deep judges a message by its record and its octets.
func (s *seeker) deep(m *mailbox.Message) (bool, error) {
	if err := errors.Join(s.ctx.Err(), s.tick()); err != nil {
		return false, err
	}
	s.m = m
	s.probe.begin(s)
	var err error
	if s.record, err = index.Open(m.Record); err != nil {
		if s.record, err = s.probe.makeRecord(); err != nil {
			return false, s.pass(err)
		}
	}
	v := s.judge(&s.root, costRecord)
	if v == unknown {
		v = s.judge(&s.root, costOctets)
	}
	if err := s.err; err != nil {
		s.err = nil
		return false, s.pass(err)
	}
	return v == match, nil
}

// tickEvery is after how many messages the clock is looked at.
const tickEvery = 64

// tick tells the client now and then that a search goes on, which keeps it from
// giving up, and finds out that it has.
func (s *seeker) tick() error {
	if s.judged++; s.judged%tickEvery != 0 {
		return nil
	}
	switch now := time.Now(); {
	case s.told.IsZero():
		s.told = now
	case now.Sub(s.told) >= s.c.srv.pace:
		s.told = now
		s.c.write("* OK Still searching\r\n")
		if s.c.flush(); s.c.closing {
			return errLost
		}
	}
	return nil
}

// note takes a message's modification sequence.
func (f *found) note(m *mailbox.Message) {
	if !f.modseq {
		return
	}
	f.highest = max(f.highest, m.ModSeq)
	if f.low == 0 || m.UID < f.low {
		f.low, f.first = m.UID, m.ModSeq
	}
	if m.UID > f.high {
		f.high, f.last = m.UID, m.ModSeq
	}
}

// union joins two sets in linear time.
func union(a, b mailbox.UIDs) mailbox.UIDs {
	switch {
	case len(a) == 0:
		return b
	case len(b) == 0:
		return a
	}
	out := make(mailbox.UIDs, 0, len(a)+len(b))
	for len(a) > 0 || len(b) > 0 {
		if len(b) == 0 || len(a) > 0 && a[0].First < b[0].First {
			out.AddRange(a[0])
			a = a[1:]
		} else {
			out.AddRange(b[0])
			b = b[1:]
		}
	}
	return out
}

// narrow returns the UIDs that a key allows as far as sets say; some: they do
// say; exact: that is all the key says.
func (s *seeker) narrow(n *node) (uids mailbox.UIDs, some, exact bool) {
	switch n.op {
	case imap.SearchUID:
		return n.set, true, true
	case imap.SearchAnd:
		exact = true
		for i := range n.kids {
			in, is, e := s.narrow(&n.kids[i])
			switch exact = exact && e; {
			case is && some:
				uids = intersect(uids, in)
			case is:
				uids, some = in, true
			}
		}
		return uids, some, exact
	}
	return nil, false, false
}

// intersect returns what is in both sets, in linear time.
func intersect(a, b mailbox.UIDs) (out mailbox.UIDs) {
	for len(a) > 0 && len(b) > 0 {
		r := mailbox.Range{First: max(a[0].First, b[0].First), Last: min(a[0].Last, b[0].Last)}
		if r.First <= r.Last {
			out = append(out, r)
		}
		if a[0].Last < b[0].Last {
			a = a[1:]
		} else {
			b = b[1:]
		}
	}
	return out
}
