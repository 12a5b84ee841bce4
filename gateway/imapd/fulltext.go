package imapd

import (
	"cmp"
	"context"
	"slices"

	"github.com/gapura-mail/gapura/gateway/imap"
	"github.com/gapura-mail/gapura/gateway/mailbox"
	"github.com/gapura-mail/gapura/gateway/mailbox/search"
)

// Searcher finds messages by their text; *search.Index does.
type Searcher interface {
	Search(ctx context.Context, where search.Where, text string, in search.Folder) ([]int64, error)
}

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
	objects, err := s.c.srv.deps.Search.Search(s.ctx, where, n.str, textFolder{s.c.view})
	if err != nil {
		return err
	}
	set, err := s.c.view.WithObjects(s.ctx, objectSet(objects))
	if err != nil {
		return err
	}
	n.op, n.set, n.cost, n.least = imap.SearchUID, set, costMeta, costMeta
	return nil
}

func objectSet(list []int64) map[mailbox.ObjectID]struct{} {
	set := make(map[mailbox.ObjectID]struct{}, len(list))
	for _, o := range list {
		set[mailbox.ObjectID(o)] = struct{}{}
	}
	return set
}

// textFolder is the selected folder for a Searcher.
type textFolder struct{ v *mailbox.View }

// Len implements search.Folder.
func (f textFolder) Len() int { return int(f.v.Len()) }

// All implements search.Folder.
func (f textFolder) All(ctx context.Context) ([]int64, error) {
	return f.objects(ctx, mailbox.AllUIDs)
}

// Among implements search.Folder.
func (f textFolder) Among(ctx context.Context, objects []int64) ([]int64, error) {
	uids, err := f.v.WithObjects(ctx, objectSet(objects))
	if err != nil || len(uids) == 0 {
		return nil, err
	}
	return f.objects(ctx, uids)
}

func (f textFolder) objects(ctx context.Context, uids mailbox.UIDs) (list []int64, err error) {
	_, err = f.v.Messages(ctx, uids, false, func(m *mailbox.Message) error {
		list = append(list, int64(m.Object))
		return nil
	})
	slices.SortFunc(list, cmp.Compare)
	return slices.Compact(list), err
}
