package imapd

import (
	"github.com/gapura-mail/gapura/gateway/imap"
	"github.com/gapura-mail/gapura/gateway/mailbox/search"
)

// fewMessages is how many messages are read as quickly as an index is asked.
const fewMessages = 64

// lookUp turns BODY and TEXT, also below other keys, into sets of messages.
func (s *seeker) lookUp(n *node) error {
	switch n.op {
	case imap.SearchBody, imap.SearchText:
		return s.lookUpText(n)
	case imap.SearchAnd, imap.SearchOr, imap.SearchNot:
		if n.cost < costOctets {
			return nil
		}
		for i := range n.kids {
			if err := s.lookUp(&n.kids[i]); err != nil {
				return err
			}
		}
		n.weigh()
	}
	return nil
}

func (s *seeker) lookUpText(n *node) error {
	where := search.Anywhere
	if n.op == imap.SearchBody {
		where = search.Body
	}
	set, err := s.c.view.Find(s.ctx, s.c.srv.deps.Search, where, n.str)
	if err != nil {
		return err
	}
	n.op, n.set, n.cost, n.least = imap.SearchUID, set, costMeta, costMeta
	return nil
}
