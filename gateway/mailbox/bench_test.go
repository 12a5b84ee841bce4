package mailbox_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gapura-mail/gapura/gateway/mailbox"
	"github.com/gapura-mail/gapura/gateway/mailbox/mailboxtest"
)

var benchText = mailboxtest.Message("stored lorem") + strings.Repeat("Lorem ipsum dolor sit amet, consectetur adipisici elit.\r\n", 70)

func deliverOne(ctx context.Context, s *mailbox.Store, u *mailbox.User, key string) error {
	o, err := s.Put(ctx, int64(len(benchText)), strings.NewReader(benchText))
	if err != nil {
		return err
	}
	defer o.Discard()
	_, err = s.Deliver(ctx, mailbox.Item{User: u, Folder: "INBOX", Object: o, Key: key})
	return err
}

// BenchmarkDeliver is what a delivery costs, 20 at once to 50 users.
func BenchmarkDeliver(b *testing.B) {
	k := mailboxtest.New(b)
	users := benchUsers(k)
	var n atomic.Int64
	b.SetParallelism(10)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			i := n.Add(1)
			if err := deliverOne(context.Background(), k.Store, users[i%50], fmt.Sprint("id", i)); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func benchUsers(k *mailboxtest.Kit) (list []*mailbox.User) {
	for i := range 50 {
		list = append(list, k.User(fmt.Sprintf("u%d@example.com", i)))
	}
	return list
}

// BenchmarkSession is the mix of scripts/bench, without IMAP: 50 sessions; an
// operation is one command.
func BenchmarkSession(b *testing.B) {
	k := mailboxtest.New(b)
	users := benchUsers(k)
	var n atomic.Int64
	b.SetParallelism(25)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for {
			if err := session(pb.Next, users[n.Add(7)%50]); err != nil {
				if err != errEnough {
					b.Error(err)
				}
				return
			}
		}
	})
}

var errEnough = fmt.Errorf("enough")

func session(next func() bool, u *mailbox.User) (err error) {
	ctx := context.Background()
	do := func(f func() error) bool {
		if err == nil {
			if err = f(); err == nil && !next() {
				err = errEnough
			}
		}
		return err == nil
	}
	var v *mailbox.View
	do(func() error { _, err := u.Folders(ctx); return err })
	do(func() error { _, err := u.Folder(ctx, "INBOX"); return err })
	if !do(func() error { v, err = u.Select(ctx, "INBOX", false); return err }) {
		if v != nil {
			v.Close()
		}
		return err
	}
	defer v.Close()
	sum := 0
	for range 5 {
		do(func() error {
			o, err := benchStore(u).Put(ctx, int64(len(benchText)), strings.NewReader(benchText))
			if err != nil {
				return err
			}
			_, err = u.Append(ctx, "INBOX", mailbox.Item{Object: o, Flags: []string{`\Seen`}})
			return err
		})
		do(func() error { _, err := v.Sync(ctx, false); return err })
		uid := v.UID(1 + v.Len()/2)
		do(func() error {
			_, err := v.Messages(ctx, v.UIDsOf(mailbox.UIDs{{First: max(21, v.Len()) - 20, Last: 1<<32 - 1}}), true, func(m *mailbox.Message) error {
				sum += len(m.Record)
				return nil
			})
			return err
		})
		do(func() error {
			m, err := v.Message(ctx, uid)
			if err != nil {
				return nil // another session has expunged it
			}
			r, err := v.Open(ctx, &m)
			if err != nil {
				return nil
			}
			defer r.Close()
			_, err = io.Copy(io.Discard, r)
			return err
		})
		do(func() error {
			_, err := v.Change(ctx, mailbox.One(uid), mailbox.AddFlags, []string{`\Flagged`}, nil)
			return err
		})
		do(func() error {
			_, err := v.Messages(ctx, mailbox.AllUIDs, true, func(m *mailbox.Message) error {
				sum += len(m.Record)
				return nil
			})
			return err
		})
	}
	if n := v.Len(); n > 60 {
		do(func() error {
			_, err := v.Change(ctx, v.UIDsOf(mailbox.UIDs{{First: 1, Last: n - 40}}), mailbox.AddFlags, []string{`\Deleted`}, nil)
			return err
		})
		do(func() error { _, err := v.Expunge(ctx, mailbox.AllUIDs, false); return err })
		do(func() error { _, err := v.Sync(ctx, false); return err })
	}
	return err
}

func benchStore(u *mailbox.User) *mailbox.Store { return u.Store() }
