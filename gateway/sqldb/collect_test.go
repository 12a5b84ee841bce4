package sqldb

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
)

// inTx runs f on both databases within a transaction, which allows no second
// statement while Rows are open, over the items a, b and c. Of n of b there is
// no abs: a query for that ends early.
func inTx(t *testing.T, f func(t *testing.T, ctx context.Context, tx *Tx)) {
	each(t, func(t *testing.T, open func() *DB) {
		db := migrated(t, open())
		db.Write(t.Context(), func(ctx context.Context, tx *Tx) error { // an error that a test wants dooms it
			for i, n := range []int64{-10, math.MinInt64, -30} {
				if _, err := tx.Exec(ctx, "INSERT INTO t_item (name, n) VALUES (?, ?)", string(rune('a'+i)), n); err != nil {
					t.Error(err)
				}
			}
			f(t, ctx, tx)
			if tx.rows != nil {
				t.Error("the Rows are left open")
			}
			return nil
		})
	})
}

func scanText(r *Rows) (s string, err error) {
	var n int
	err = r.Scan(&s, &n)
	return fmt.Sprint(s, n), err
}

const (
	someItems = "SELECT name, n FROM t_item WHERE name <> 'b' ORDER BY id"
	endsEarly = "SELECT name, abs(n) FROM t_item ORDER BY id"
)

func TestCollectListsWhatScanMakesOfEachRow(t *testing.T) {
	inTx(t, func(t *testing.T, ctx context.Context, tx *Tx) {
		rows, err := tx.Query(ctx, someItems)
		if list, err := Collect(rows, err, scanText); err != nil || !slices.Equal(list, []string{"a-10", "c-30"}) {
			t.Error(list, err)
		}
		if list, err := Column[string](tx.Query(ctx, "SELECT name FROM t_item ORDER BY id DESC")); err != nil || !slices.Equal(list, []string{"c", "b", "a"}) {
			t.Error(list, err)
		}
		if list, err := Column[*int64](tx.Query(ctx, "SELECT x FROM t_item WHERE id = 1")); err != nil || len(list) != 1 || list[0] != nil {
			t.Error("NULL:", list, err)
		}
		if list, err := Column[string](tx.Query(ctx, "SELECT name FROM t_item WHERE id = 0")); err != nil || list != nil {
			t.Errorf("no rows: %#v, %v", list, err)
		}
	})
}

func TestCollectTellsOfWhatEndsTheRowsEarly(t *testing.T) {
	inTx(t, func(t *testing.T, ctx context.Context, tx *Tx) {
		read := 0
		rows, err := tx.Query(ctx, endsEarly)
		list, err := Collect(rows, err, func(r *Rows) (string, error) { read++; return scanText(r) })
		if err == nil || list != nil || read > 1 { // PostgreSQL may find it before the first
			t.Errorf("%#v, %v, %d rows read", list, err, read)
		}
	})
}

func TestCollectEndsWhereARowCannotBeScanned(t *testing.T) {
	inTx(t, func(t *testing.T, ctx context.Context, tx *Tx) {
		if list, err := Column[int](tx.Query(ctx, "SELECT name FROM t_item")); err == nil || list != nil {
			t.Errorf("%#v, %v", list, err)
		}
	})
}

func TestEachEndsAtAnErrorOfItsFunction(t *testing.T) {
	inTx(t, func(t *testing.T, ctx context.Context, tx *Tx) {
		errEnough, read := errors.New("enough"), 0
		rows, err := tx.Query(ctx, someItems)
		err = Each(rows, err, func(*Rows) error { read++; return errEnough })
		if !errors.Is(err, errEnough) || read != 1 {
			t.Errorf("%v, %d rows read", err, read)
		}
		if list, err := Column[string](tx.Query(ctx, "SELECT name FROM t_item")); err != nil || len(list) != 3 {
			t.Error("the next query:", list, err)
		}
	})
}

func TestEachPassesOnTheErrorOfAQuery(t *testing.T) {
	inTx(t, func(t *testing.T, ctx context.Context, tx *Tx) {
		rows, err := tx.Query(ctx, "SELECT nothing FROM t_item")
		if err == nil || !errors.Is(Each(rows, err, func(*Rows) error { t.Error("called"); return nil }), err) {
			t.Error("error lost:", err)
		}
	})
}
