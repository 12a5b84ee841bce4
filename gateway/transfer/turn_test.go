package transfer

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
)

// TestImportsTakeTurns: a second import for a user waits for the end of the
// first, or is refused in the end; that for another user does not wait.
func TestImportsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewServer(nil)
		end, err := s.turn(t.Context(), "ana")
		if err != nil {
			t.Fatal(err)
		}
		other, err := s.turn(t.Context(), "ben")
		if err != nil {
			t.Fatal(err)
		}
		other()
		if _, err := s.turn(t.Context(), "ana"); err == nil || !strings.Contains(err.Error(), "under way") {
			t.Error(err)
		}
		began := make(chan func())
		go func() {
			end, err := s.turn(context.Background(), "ana")
			if err != nil {
				t.Error(err)
			}
			began <- end
		}()
		synctest.Wait()
		select {
		case <-began:
			t.Fatal("two at once")
		default:
		}
		end()
		(<-began)()
		if len(s.users) != 0 {
			t.Error(s.users)
		}
	})
}
