package imapd

import (
	"context"

	"github.com/gapura-mail/gapura/gateway/imap"
	"github.com/gapura-mail/gapura/gateway/mailbox"
	"github.com/gapura-mail/gapura/gateway/mailbox/index"
)

// maxThread is how many messages one THREAD may thread.
const maxThread = 500_000

// thread is THREAD and UID THREAD (RFC 5256).
func (c *conn) thread(ctx context.Context, cmd *imap.Command, d *imap.Decoder) (reply, error) {
	var t imap.Thread
	if !d.Thread(&t) {
		return reply{}, d.Err()
	}
	if !c.set.on("THREAD=" + threadNames[t.By]) {
		return reply{bad, "", "This algorithm is not offered"}, nil
	}
	f, err := c.find(ctx, &t.Key)
	if err != nil {
		return reply{}, err
	}
	var b threadBuilder
	if err := b.load(ctx, c.view, f.uids); err != nil {
		return reply{}, err
	}
	var roots []int32
	if t.By == imap.ThreadReferences {
		roots = b.references()
	} else {
		roots = b.orderedSubject()
	}
	c.w.Raw("* THREAD")
	if len(roots) > 0 {
		c.w.SP()
	}
	b.write(&c.w, roots, func(uid uint32) uint32 {
		if cmd.UID {
			return uid
		}
		return c.view.Seq(uid)
	})
	c.w.CRLF()
	return done("Threaded"), nil
}

var threadNames = [...]string{imap.ThreadOrderedSubject: "ORDEREDSUBJECT", imap.ThreadReferences: "REFERENCES"}

// threadBuilder builds threads.
type threadBuilder struct {
	nodes []threadNode
	ids   []string   // by message
	refs  [][]string // by message, the oldest first
	room  int        // octets of them
}

// load gets what threading compares.
func (b *threadBuilder) load(ctx context.Context, v *mailbox.View, uids mailbox.UIDs) error {
	if uids.Len() > maxThread {
		return &imap.Refusal{Code: "LIMIT", Text: "There are too many messages to thread; narrow the search"}
	}
	_, err := v.Messages(ctx, uids, true, func(m *mailbox.Message) error {
		rec, _ := index.Open(m.Record)
		n := emptyNode()
		n.uid, n.order, n.sent, n.subject, n.reply = m.UID, m.UID, m.Sent, string(rec.BaseSubject()), rec.IsReply()
		b.nodes = append(b.nodes, n)
		id := string(rec.MessageID())
		b.ids = append(b.ids, id)
		var refs []string
		rec.References(func(r []byte) bool {
			refs = append(refs, string(r))
			b.room += len(r) + 32
			return true
		})
		b.refs = append(b.refs, refs)
		if b.room += len(n.subject) + len(id) + 128; b.room > maxSortOctets {
			return &imap.Refusal{Code: "LIMIT", Text: "There are too many messages to thread; narrow the search"}
		}
		return nil
	})
	return err
}
