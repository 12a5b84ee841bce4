package imapd

import (
	"bytes"
	"slices"
	"strings"

	"github.com/gapura-mail/gapura/gateway/imap"
	"github.com/gapura-mail/gapura/gateway/mailbox"
	"github.com/gapura-mail/gapura/gateway/mailbox/index"
	"github.com/gapura-mail/gapura/gateway/mailbox/search"
)

// node is a search key made ready.
type node struct {
	op    imap.SearchOp
	cost  cost // of all of it
	least cost // of the cheapest key in it
	flags mailbox.Flags
	num   int64
	text  []byte // folded
	str   string
	set   mailbox.UIDs
	kids  []node
}

const daySeconds = 24 * 60 * 60

// compile makes a key ready.
func (s *seeker) compile(n *node, k *imap.SearchKey) {
	n.op, n.num, n.str = k.Op, int64(k.Num), k.Str
	switch k.Op {
	case imap.SearchAnd, imap.SearchOr, imap.SearchNot, imap.SearchFuzzy:
		s.compileKids(n, k)
	case imap.SearchSeq, imap.SearchUID:
		set := k.Set
		n.set, n.op = s.c.named(&set, k.Op == imap.SearchUID), imap.SearchUID
	case imap.SearchFlag, imap.SearchNoFlag:
		if k.Flag == imap.Recent {
			s.compileRecent(n)
			break
		}
		n.flags = storeFlags(k.Flag)
		s.count(n)
	case imap.SearchKeyword, imap.SearchNoKeyword:
		n.flags = s.keywords.Flag(k.Str)
		n.op -= imap.SearchKeyword - imap.SearchFlag
	case imap.SearchBefore, imap.SearchOn, imap.SearchSince, imap.SearchSavedBefore, imap.SearchSavedOn, imap.SearchSavedSince:
		n.num = k.Date.Unix()
	case imap.SearchSentBefore, imap.SearchSentOn, imap.SearchSentSince:
		n.num, n.cost = k.Date.Unix()/daySeconds, costRecord
	case imap.SearchModSeq:
		s.modseq = true
	case imap.SearchFrom, imap.SearchTo, imap.SearchCc, imap.SearchBcc, imap.SearchSubject, imap.SearchHeader:
		n.text, n.cost = index.AppendFold(nil, k.Str), costRecord
		n.str = headerNames[k.Op] + k.Field
	case imap.SearchBody, imap.SearchText:
		n.text, n.cost = search.Fold(k.Str), costOctets
		s.texts++
	}
	if n.kids == nil {
		n.least = n.cost
	}
}

// compileRecent makes a set of RECENT, and of OLD what is not in it.
func (s *seeker) compileRecent(n *node) {
	recent := node{op: imap.SearchUID, set: s.c.view.Only(s.c.view.Recent())}
	if n.op == imap.SearchFlag {
		*n = recent
		return
	}
	n.op, n.kids = imap.SearchNot, []node{recent}
	n.weigh()
}

// count decides by the folder's counters what they can decide: often nothing is
// marked as deleted, and all has been seen.
func (s *seeker) count(n *node) {
	f := s.c.view.Folder()
	var none bool // no message answers to FLAG (or, of \Seen, to NOT FLAG)
	switch n.flags {
	case mailbox.Deleted:
		none = f.Deleted == 0
	case mailbox.Seen:
		none = f.Unseen == 0
	}
	switch {
	case !none:
	case (n.op == imap.SearchFlag) == (n.flags == mailbox.Deleted):
		n.op, n.set = imap.SearchUID, nil
	default:
		n.op = imap.SearchAnd
	}
}

var headerNames = [...]string{imap.SearchFrom: "From", imap.SearchTo: "To", imap.SearchCc: "Cc", imap.SearchBcc: "Bcc", imap.SearchSubject: "Subject", imap.SearchFuzzy: ""}

// compileKids makes the keys below one ready.
func (s *seeker) compileKids(n *node, k *imap.SearchKey) {
	n.kids = make([]node, len(k.Keys))
	for i := range k.Keys {
		s.compile(&n.kids[i], &k.Keys[i])
	}
	if n.op == imap.SearchFuzzy { // RFC 6203: to take it literally is allowed
		n.op = imap.SearchAnd
	}
	n.weigh()
}

// weigh tells the cost of a key by those below it, of which the cheap ones
// come first.
func (n *node) weigh() {
	n.cost, n.least = costMeta, costOctets
	for i := range n.kids {
		n.cost = max(n.cost, n.kids[i].cost)
		n.least = min(n.least, n.kids[i].least)
	}
	if len(n.kids) == 0 {
		n.least = costMeta
	}
	slices.SortStableFunc(n.kids, func(a, b node) int { return int(a.cost) - int(b.cost) })
}

// judge tells what a key says of the message at hand, with what may be known
// at a cost.
func (s *seeker) judge(n *node, level cost) verdict {
	switch n.op {
	case imap.SearchAnd:
		v := match
		for i := range n.kids {
			switch s.judge(&n.kids[i], level) {
			case noMatch:
				return noMatch
			case unknown:
				v = unknown
			}
		}
		return v
	case imap.SearchOr:
		a := s.judge(&n.kids[0], level)
		if a == match {
			return match
		}
		return max(a, s.judge(&n.kids[1], level))
	case imap.SearchNot:
		return -s.judge(&n.kids[0], level)
	}
	if n.cost > level {
		return unknown
	}
	switch n.cost {
	case costMeta:
		return verdictOf(s.meta(n))
	case costRecord:
		return s.inRecord(n, level)
	}
	return verdictOf(s.probe.has(n))
}

// meta judges by what the folder says of a message.
func (s *seeker) meta(n *node) bool {
	m := s.m
	switch n.op {
	case imap.SearchFlag: // nothing has a keyword that is not known
		return n.flags != 0 && m.Flags&n.flags == n.flags
	case imap.SearchNoFlag:
		return m.Flags&n.flags == 0
	case imap.SearchUID:
		return n.set.Contains(m.UID)
	case imap.SearchBefore:
		return m.Date < n.num
	case imap.SearchOn:
		return m.Date >= n.num && m.Date < n.num+daySeconds
	case imap.SearchSince:
		return m.Date >= n.num
	case imap.SearchSavedBefore:
		return m.Saved < n.num
	case imap.SearchSavedOn:
		return m.Saved >= n.num && m.Saved < n.num+daySeconds
	case imap.SearchSavedSince:
		return m.Saved >= n.num
	case imap.SearchLarger:
		return m.Size > n.num
	case imap.SearchSmaller:
		return m.Size < n.num
	case imap.SearchOlder: // RFC 5032
		return m.Date <= s.now-n.num
	case imap.SearchYounger:
		return m.Date >= s.now-n.num
	case imap.SearchModSeq:
		return m.ModSeq >= uint64(n.num)
	case imap.SearchEmailID:
		return m.Object.String() == n.str
	case imap.SearchThreadID:
		return m.Thread != 0 && m.Thread.String() == n.str
	}
	return n.op == imap.SearchSaveDateSupported
}

// inRecord judges by the index record, and where that does not have the field
// or not all of it, by the header.
func (s *seeker) inRecord(n *node, level cost) verdict {
	switch n.op {
	case imap.SearchSentBefore:
		return verdictOf(s.record.SentDay(s.m.InternalDate()) < n.num)
	case imap.SearchSentOn:
		return verdictOf(s.record.SentDay(s.m.InternalDate()) == n.num)
	case imap.SearchSentSince:
		return verdictOf(s.record.SentDay(s.m.InternalDate()) >= n.num)
	}
	text, whole := s.record.HeaderText(n.str)
	switch {
	case len(text) > 0 && bytes.Contains(text, n.text):
		return match
	case whole && len(n.text) > 0:
		return noMatch
	case strings.EqualFold(n.str, "Message-ID"):
		if v := s.byMessageID(n); v != unknown {
			return v
		}
	}
	if n.op != imap.SearchHeader && len(n.text) == 0 {
		return match // an empty text is in everything
	}
	if level < costOctets {
		return unknown
	}
	return verdictOf(s.probe.header(n.str, n.text))
}

// byMessageID judges a whole identifier, which is what programs look for.
func (s *seeker) byMessageID(n *node) verdict {
	id := s.record.MessageID()
	text := n.text
	if len(id) == 0 || len(text) == 0 || bytes.ContainsAny(text, " \t\"") {
		return unknown
	}
	if text[0] == '<' && text[len(text)-1] == '>' {
		return verdictOf(bytes.Equal(index.AppendFold(nil, id), text[1:len(text)-1]))
	}
	if bytes.ContainsAny(text, "<>") {
		return unknown
	}
	return verdictOf(bytes.Contains(index.AppendFold(nil, id), text))
}
