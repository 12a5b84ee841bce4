package sqldbtest

import (
	"testing"

	"github.com/gapura-mail/gapura/gateway/sqldb"
)

func TestEachIsEmptyAndOfItsOwn(t *testing.T) {
	for range 2 {
		Each(t, func(t *testing.T, dir, url string) {
			db, err := sqldb.Open(t.Context(), sqldb.Options{Dir: dir, URL: url})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if err := db.Migrate(t.Context(), "t", []string{"CREATE TABLE t_a (k INTEGER) STRICT"}); err != nil {
				t.Error(err)
			}
		})
	}
}
