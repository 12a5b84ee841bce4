package mailbox_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/mailbox"
	"github.com/gapura-mail/gapura/gateway/mailbox/mailboxtest"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// TestMillionMessages holds what a folder of 1,000,000 messages may cost.
func TestMillionMessages(t *testing.T) {
	million(t, &mailboxtest.Place{Dir: t.TempDir()})
}

func million(t *testing.T, p *mailboxtest.Place) {
	n := 1_000_000
	if os.Getenv("GAPURA_SOAK") == "" {
		n = 20_000
	}
	ctx := context.Background()
	k := p.Open(t)
	u := k.User("bob@example.com")
	k.Append(u, "INBOX", mailboxtest.Message("first"))
	fill(t, k, n)
	k.NoCheck = "only some sums are right"
	k.Close()
	check := func(what string, most time.Duration, f func() error) {
		t.Helper()
		began := time.Now()
		if err := f(); err != nil {
			t.Fatal(what, err)
		}
		took := time.Since(began)
		t.Logf("%-32s %s", what, took)
		if took > most && os.Getenv("GAPURA_SOAK") != "" {
			t.Errorf("%s took %s, more than %s", what, took, most)
		}
	}
	var v *mailbox.View
	sel := func() (err error) {
		v, err = u.Select(ctx, "INBOX", false)
		return err
	}
	check("open", 2*time.Second, func() error {
		k = p.Open(t)
		k.NoCheck = "only some sums are right"
		return nil
	})
	u = k.User("bob@example.com")
	check("SELECT, cold", 500*time.Millisecond, sel)
	defer v.Close()
	check("SELECT, warm", 20*time.Millisecond, func() error {
		v.Close()
		return sel()
	})
	if v.Len() != uint32(n) || v.Seq(uint32(n)) != uint32(n) || v.UID(7) != 7 {
		t.Fatalf("%d messages", v.Len())
	}
	check("FETCH of the last 20", 20*time.Millisecond, func() error {
		_, err := v.Messages(ctx, v.UIDsOf(mailbox.UIDs{{First: uint32(n - 19), Last: uint32(n)}}), false, func(*mailbox.Message) error { return nil })
		return err
	})
	check("SORT RETURN (PARTIAL 1:100)", 200*time.Millisecond, func() error {
		list, err := v.BySent(ctx, true, 0, 100)
		if len(list) != 100 || list[0] != uint32(n) {
			return fmt.Errorf("%v, %w", list[:1], err)
		}
		return err
	})
	then := v.Folder().ModSeq
	var some mailbox.UIDs
	for i := range 1000 {
		some.Add(uint32(1 + i*(n/1000)))
	}
	check("STORE of 1,000", 10*time.Second, func() error {
		_, err := v.Change(ctx, some[:900], mailbox.AddFlags, []string{`\Flagged`}, nil)
		return err
	})
	check("EXPUNGE of 100", 10*time.Second, func() error {
		_, err := v.Expunge(ctx, some[900:], true)
		return err
	})
	v.Close()
	resync := func() error {
		if err := sel(); err != nil {
			return err
		}
		gone, err := v.VanishedSince(ctx, then, mailbox.AllUIDs)
		if err != nil || !slices.Equal(gone, some[900:]) {
			return fmt.Errorf("vanished %v, %w", gone, err)
		}
		changed, err := v.ChangedSince(ctx, then, mailbox.AllUIDs)
		if err != nil || !slices.Equal(changed, some[:900]) {
			return fmt.Errorf("changed %v, %w", changed, err)
		}
		sum := 0
		_, err = v.Messages(ctx, changed, false, func(m *mailbox.Message) error {
			sum += int(m.Seq)
			return nil
		})
		return err
	}
	check("resync of 1,000, warm", 50*time.Millisecond, resync)
	k.Close()
	k = p.Open(t)
	k.NoCheck = "only some sums are right"
	u = k.User("bob@example.com")
	check("resync of 1,000, cold", 500*time.Millisecond, resync)
	check("all flags, cold", 5*time.Second, func() error {
		_, err := v.Messages(ctx, mailbox.AllUIDs, false, func(*mailbox.Message) error { return nil })
		return err
	})
	check("all flags, warm", 500*time.Millisecond, func() error {
		_, err := v.Messages(ctx, mailbox.AllUIDs, false, func(*mailbox.Message) error { return nil })
		return err
	})
	check("delivery", 100*time.Millisecond, func() error { return deliverOne(ctx, k.Store, u, "x") })
	check("sync", 20*time.Millisecond, func() error {
		_, err := v.Sync(ctx, false)
		return err
	})
	check("delete", time.Second, func() error { return u.Rename(ctx, "INBOX", "Old") })
}

// fill makes INBOX of bob have n messages, of one object.
func fill(t *testing.T, k *mailboxtest.Kit, n int) {
	err := k.DB.Write(context.Background(), func(ctx context.Context, tx *sqldb.Tx) error {
		for _, q := range []string{
			fmt.Sprintf(`INSERT INTO mailbox_messages SELECT m.folder, x.i, x.i, 0, m.size, m.object, m.date, m.saved, m.sent + x.i
				FROM mailbox_messages m, (WITH RECURSIVE c(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM c WHERE i < %d) SELECT i FROM c) x`, n),
			fmt.Sprintf(`UPDATE mailbox_folders SET next = %d, modseq = %d, messages = %d, unseen = %d WHERE name = 'INBOX'`, n+1, n+1, n, n),
			fmt.Sprintf(`UPDATE mailbox_objects SET refs = %d`, n),
		} {
			if _, err := tx.Exec(ctx, q); err != nil {
				return err
			}
		}
		return mailboxtest.FillBlocks(ctx, tx, n)
	})
	if err != nil {
		t.Fatal(err)
	}
}
