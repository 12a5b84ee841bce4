package mailbox_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/gateway/mailbox"
	"github.com/gapura-mail/gapura/gateway/mailbox/mailboxtest"
	"github.com/gapura-mail/gapura/gateway/sqldb"
	"github.com/gapura-mail/gapura/gateway/sqldb/sqldbtest"
)

// many is how many messages the folder has whose contents are kept: nine full
// blocks and a part of one.
const many = 5000

// fillMixed makes bob's INBOX, which has one message, have many, of objects in
// another order.
func fillMixed(t *testing.T, k *mailboxtest.Kit) {
	t.Helper()
	counted := fmt.Sprintf(`(WITH RECURSIVE c(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM c WHERE i < %d) SELECT i FROM c) x`, many)
	exec(t, k,
		`INSERT INTO mailbox_objects SELECT o.id + x.i * 77 % 5003, 1, o.segment, o.start, o.size, o.sent, o.thread, o.record FROM mailbox_objects o, `+counted,
		`INSERT INTO mailbox_messages SELECT m.folder, x.i, x.i, 0, m.size, m.object + x.i * 77 % 5003, m.date, m.saved, m.sent FROM mailbox_messages m, `+counted,
		fmt.Sprintf(`UPDATE mailbox_folders SET next = %d, modseq = %d, messages = %d, unseen = %d WHERE name = 'INBOX'`, many+1, many+1, many, many),
		fmt.Sprintf(`UPDATE mailbox_counters SET next = next + %d`, many*3),
		`DELETE FROM mailbox_blocks`,
	)
	for i := range many>>9 + 1 {
		b := make([]byte, 64)
		for uid := max(i*512, 1); uid < min(i*512+512, many+1); uid++ {
			b[uid%512/8] |= 1 << (uid % 8)
		}
		exec(t, k, fmt.Sprintf(`INSERT INTO mailbox_blocks SELECT m.folder, %d, ? FROM mailbox_messages m WHERE m.uid = 1`, i), b)
	}
}

// exec runs statements; those after the first that is none are arguments.
func exec(t *testing.T, k *mailboxtest.Kit, query string, more ...any) {
	t.Helper()
	err := k.DB.Write(t.Context(), func(ctx context.Context, tx *sqldb.Tx) error {
		queries := []string{query}
		var args []any
		for _, x := range more {
			if q, ok := x.(string); ok {
				queries = append(queries, q)
			} else {
				args = append(args, x)
			}
		}
		for _, q := range queries {
			if _, err := tx.Exec(ctx, q, args...); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func count(t *testing.T, k *mailboxtest.Kit, query string) (n int) {
	t.Helper()
	if err := k.DB.Read().QueryRow(t.Context(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// objectsOf reads which object each message of INBOX has, from the rows.
func objectsOf(t *testing.T, k *mailboxtest.Kit) map[uint32]mailbox.ObjectID {
	t.Helper()
	rows, err := k.DB.Read().Query(t.Context(), `SELECT m.uid, m.object FROM mailbox_messages m, mailbox_folders f WHERE f.name = 'INBOX' AND f.key = m.folder`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	out := map[uint32]mailbox.ObjectID{}
	for rows.Next() {
		var uid uint32
		var o mailbox.ObjectID
		if err := rows.Scan(&uid, &o); err != nil {
			t.Fatal(err)
		}
		out[uid] = o
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestContentsOfLargeFoldersAreKept asks a large folder for its objects, while
// some of its contents are kept, none, damaged ones, and after it was changed.
func TestContentsOfLargeFoldersAreKept(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, dir, url string) {
		ctx := t.Context()
		p := &mailboxtest.Place{Dir: dir, URL: url}
		k := p.Open(t)
		k.Append(k.User("bob"), "INBOX", mailboxtest.Message("first"))
		fillMixed(t, k)
		k.NoCheck = "its objects share their octets"
		k.Close()
		k = p.Open(t)
		k.NoCheck = "its objects share their octets"
		u := k.User("bob")
		same := func(what string) {
			t.Helper()
			v := k.Select(u, "INBOX")
			defer v.Close()
			got := map[uint32]mailbox.ObjectID{}
			err := mailbox.EachObject(v, ctx, func(o mailbox.ObjectID, uid uint32) {
				if got[uid] != 0 {
					t.Errorf("%s: UID %d comes twice", what, uid)
				}
				got[uid] = o
			})
			if want := objectsOf(t, k); err != nil || !maps.Equal(got, want) {
				t.Errorf("%s: %d messages, want %d; %v", what, len(got), len(want), err)
			}
		}
		if err := k.Store.Tidy(ctx); err != nil {
			t.Fatal(err)
		}
		if n := count(t, k, `SELECT COUNT(*) FROM mailbox_contents`); n != many>>9 {
			t.Errorf("%d blocks are kept", n)
		}
		same("kept")
		v := k.Select(u, "INBOX")
		var changed mailbox.UIDs
		if err := v.EachChanged(ctx, 100, mailbox.UIDs{{First: 1, Last: 4000}}, func(m *mailbox.Message) error {
			if m.ModSeq != uint64(m.UID) || m.Seq != m.UID || m.Flags != 0 {
				t.Errorf("%+v", m)
			}
			changed.Add(m.UID)
			return nil
		}); err != nil || !slices.Equal(changed, mailbox.UIDs{{First: 101, Last: 4000}}) {
			t.Errorf("changed %v, %v", changed, err)
		}
		if _, err := v.Expunge(ctx, mailbox.UIDs{{First: 10, Last: 20}, {First: 512, Last: 1023}, {First: 4990, Last: 4995}}, true); err != nil {
			t.Fatal(err)
		}
		changed = nil
		if err := v.EachChanged(ctx, 4900, mailbox.AllUIDs, func(m *mailbox.Message) error {
			changed.Add(m.UID)
			return nil
		}); err != nil || !slices.Equal(changed, mailbox.UIDs{{First: 4901, Last: 4989}, {First: 4996, Last: many}}) {
			t.Errorf("changed, and some gone: %v, %v", changed, err)
		}
		v.Close()
		same("expunged")
		for i := range 200 {
			k.Append(u, "INBOX", mailboxtest.Message(fmt.Sprint(i)))
		}
		same("appended")
		if err := k.Store.Tidy(ctx); err != nil {
			t.Fatal(err)
		}
		if n := count(t, k, `SELECT MAX(block) FROM mailbox_contents`); n != 9 {
			t.Errorf("the last one kept is %d", n)
		}
		same("the last block")
		exec(t, k, `DELETE FROM mailbox_contents WHERE block IN (0, 4)`)
		same("some are missing")
		check := func(repair bool) (n int) {
			t.Helper()
			if err := k.Store.Check(ctx, repair, func(p mailbox.Problem) {
				if strings.Contains(p.What, "kept contents") {
					n++
				}
			}, nil); err != nil {
				t.Fatal(err)
			}
			return n
		}
		if n := check(false); n != 0 {
			t.Errorf("%d problems", n)
		}
		exec(t, k, `UPDATE mailbox_contents SET objects = ? WHERE block = 5`, []byte("damaged"))
		same("damaged")
		if n := check(true); n != 1 {
			t.Errorf("%d problems where a block is damaged", n)
		}
		if n := check(false); n != 0 {
			t.Errorf("%d problems after the repair", n)
		}
		if err := k.Store.Tidy(ctx); err != nil {
			t.Fatal(err)
		}
		if n := count(t, k, `SELECT COUNT(*) FROM mailbox_contents`); n != 9 { // block 1 was expunged
			t.Errorf("%d blocks are kept after the repair", n)
		}
		same("made anew")
		if err := u.Rename(ctx, "INBOX", "Old"); err != nil {
			t.Fatal(err)
		}
		if err := u.Delete(ctx, "Old"); err != nil {
			t.Fatal(err)
		}
		if err := k.Store.Tidy(ctx); err != nil {
			t.Fatal(err)
		}
		if n := count(t, k, `SELECT COUNT(*) FROM mailbox_contents`); n != 0 {
			t.Errorf("%d blocks are kept of a folder that has gone", n)
		}
	})
}

// TestAmongFindsWhatIsInAList asks in any order.
func TestAmongFindsWhatIsInAList(t *testing.T) {
	list := []int64{2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 610}
	for _, asked := range [][]int64{
		{1, 2, 3, 4, 5, 6, 600, 609, 610, 611, 700},
		{700, 611, 610, 2, 1, 144, 144, 145, 143, 8, 610, 0},
		{13, 12, 13, 14, 13},
	} {
		has := mailbox.Among(list)
		for _, n := range asked {
			if got := has(n); got != slices.Contains(list, n) {
				t.Errorf("%v: %d is in it: %t", asked, n, got)
			}
		}
	}
	if mailbox.Among(nil)(1) {
		t.Error("1 is in an empty list")
	}
}
