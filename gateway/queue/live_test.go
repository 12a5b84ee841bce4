package queue

import (
	"context"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/sqldb"
	"github.com/gapura-mail/gapura/gateway/sqldb/sqldbtest"
)

// TestLiveListsEachOnce: however many rows a message has, in which table ever,
// and wherever one part of the rows ends and the next begins.
func TestLiveListsEachOnce(t *testing.T) {
	t.Parallel()
	l := newLab(t, Options{})
	const messages = refBatch + refBatch/2
	ref := func(i int) blob.Ref { return blob.Ref{Segment: uint64(7 + i%2), Offset: int64(i) * 8, Size: 9} }
	var waiting, fresh [][]any
	for i := range messages {
		for k := range 1 + i%3 {
			r := ref(i)
			id := int64(10*i + k + 1)
			waiting = append(waiting, []any{id, 1, 1, 1, 0, 1, int64(r.Segment), r.Offset, r.Size, "", "", "", 0, []byte{}})
		}
		if i%100 == 0 {
			r := ref(i)
			fresh = append(fresh, []any{int64(10*i + 8), i % 200, int64(r.Segment), r.Offset, r.Size, []byte{}}, []any{int64(10*i + 9), 0, int64(r.Segment), r.Offset, r.Size, []byte{}})
		}
	}
	r := blob.Ref{Segment: 1, Offset: 0, Size: 1} // new, and nothing else
	fresh = append(fresh, []any{int64(10 * messages), 0, int64(r.Segment), r.Offset, r.Size, []byte{}})
	err := l.db.Write(t.Context(), func(ctx context.Context, tx *sqldb.Tx) error {
		if _, err := tx.ExecMany(ctx, sqlInsertWaiting, waiting); err != nil {
			return err
		}
		_, err := tx.ExecMany(ctx, sqlInsertNew, fresh)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[blob.Ref]bool{}
	for r, err := range Live(t.Context(), l.db, nil) {
		if err != nil {
			t.Fatal(err)
		}
		if seen[r] {
			t.Fatalf("%v twice", r)
		}
		seen[r] = true
	}
	for i := range messages {
		if !seen[ref(i)] {
			t.Fatalf("%v is missing", ref(i))
		}
	}
	if len(seen) != messages+1 {
		t.Errorf("%d blobs", len(seen))
	}
}

// TestOpeningReadsIndexesAlone: a million rows are 300 MB, which a slow disk
// reads for half a minute.
func TestOpeningReadsIndexesAlone(t *testing.T) {
	t.Parallel()
	l := newLab(t, Options{})
	if strings.HasPrefix(sqldbtest.URL(t, l.dir), "postgres") {
		t.Skip("SQLite's plans")
	}
	for _, query := range []string{sqlRefs, sqlBacklog} {
		args := make([]any, strings.Count(query, "?"))
		rows, err := l.db.Read().Query(t.Context(), "EXPLAIN QUERY PLAN "+query, args...)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		var plan []string
		for rows.Next() {
			var a, b, c int
			var text string
			if err := rows.Scan(&a, &b, &c, &text); err != nil {
				t.Fatal(err)
			}
			plan = append(plan, text)
		}
		if len(plan) != 1 || !strings.Contains(plan[0], "COVERING INDEX") {
			t.Errorf("%s: %q", query, plan)
		}
	}
}
