package learned

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// TestAlikeIsFoundOnce: what one lesson costs does not grow with how many there
// are, by a plan of PostgreSQL's that was made when there were none.
func TestAlikeIsFoundOnce(t *testing.T) {
	if os.Getenv("GAPURA_TEST_DATABASE") != "postgres" {
		t.Skip("GAPURA_TEST_DATABASE is not postgres")
	}
	t.Parallel()
	s, err := Open(t.Context(), DefaultOptions(), Deps{DB: openDB(t, t.TempDir())})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	query := sqlAlike
	for i := range bands + 1 {
		query = strings.Replace(query, "?", fmt.Sprintf("$%d", i+1), 1)
	}
	undo := errors.New("undo") // and keep statistics from being made meanwhile
	err = s.deps.DB.Write(t.Context(), func(ctx context.Context, tx *sqldb.Tx) error {
		exec := func(query string, args ...any) {
			t.Helper()
			if _, err := tx.Exec(ctx, query, args...); err != nil {
				t.Fatal(query, err)
			}
		}
		exec("SET LOCAL plan_cache_mode = force_generic_plan")
		exec("PREPARE alike (bigint, bigint, bigint, bigint, bigint) AS " + query)
		exec("EXECUTE alike (1, 2, 3, 4, 100)")
		for i := range 50 {
			p, err := s.prepare(ctx, &Lesson{Key: fmt.Sprint(i), Source: Admin, Vector: vector(newsletter)})
			if err != nil {
				t.Fatal(err)
			}
			p.digest = digest{1, 2, 3, int64(100 + i)}
			if _, err := insertRow(ctx, tx, &p, weights{}); err != nil {
				t.Fatal(err)
			}
		}
		plan, err := sqldb.Column[string](tx.Query(ctx, "EXPLAIN (ANALYZE, TIMING off) EXECUTE alike (1, 2, 3, 4, 100)"))
		if err != nil {
			t.Fatal(err)
		}
		limits := 0
		for _, line := range plan {
			if strings.Contains(line, "Limit") {
				if limits++; !strings.Contains(line, "loops=1)") {
					t.Errorf("it is found again and again: %s", line)
				}
			}
		}
		if limits != 1 {
			t.Errorf("no limit in the plan:\n%s", strings.Join(plan, "\n"))
		}
		return undo
	})
	if !errors.Is(err, undo) {
		t.Fatal(err)
	}
}
