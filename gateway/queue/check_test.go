package queue

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/gateway/blob"
)

// check lists what Check finds, and how many entries it has looked at.
func (l *lab) check(blobs blob.Store) (found []string, n int64) {
	l.t.Helper()
	err := Check(context.Background(), l.db, blobs, func(it *Item, err error) {
		found = append(found, fmt.Sprint(it.State, " ", it.ID, " ", it.Recipients[0].To))
	}, func(k int64) { n = k })
	if err != nil {
		l.t.Fatal(err)
	}
	return found, n
}

// TestCheckNamesWhatIsDamaged of what waits and of what is in quarantine, each
// entry of it, and nothing else.
func TestCheckNamesWhatIsDamaged(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		held := copyOf("a@example.org", mail+"held one", "h@x.test")
		held.Queue.Hold = "why"
		l.commit(held)
		kept := refusedCopy(0, "a@x.test", "b@x.test")
		l.keep(kept)
		l.keep(refusedCopy(100, "c@x.test"))
		settle()
		if found, n := l.check(l.blobs); len(found) != 0 || n != 4 {
			t.Errorf("%v of %d", found, n)
		}
		files, err := filepath.Glob(l.dir + "/blobs/*")
		if err != nil {
			t.Fatal(err)
		}
		spoil := func(what string) {
			t.Helper()
			for _, name := range files {
				b, err := os.ReadFile(name)
				if i := strings.Index(string(b), what); err == nil && i >= 0 {
					b[i] ^= 1
					if err := os.WriteFile(name, b, 0o600); err != nil {
						t.Fatal(err)
					}
					return
				}
			}
			t.Fatalf("%q is in no file", what)
		}
		spoil("held one")
		if found, n := l.check(l.blobs); fmt.Sprint(found) != "[held "+held.ID+" h@x.test]" || n != 4 {
			t.Errorf("%v of %d", found, n)
		}
		for ref, err := range waitingRefs(t.Context(), l.db) {
			if err != nil {
				t.Fatal(err)
			}
			if ref.Size != kept.Size {
				continue
			}
			gone := &movedBlobs{Store: l.blobs, moved: map[blob.Ref]bool{ref: true}}
			if found, _ := l.check(gone); len(found) != 3 || found[1] != "quarantined "+kept.ID+" a@x.test" || found[2] != "quarantined "+kept.ID+" b@x.test" {
				t.Errorf("%v", found)
			}
		}
	})
}

// removing removes what is just being read, or moves its octets.
type removing struct {
	*movedBlobs
	l    *lab
	move bool
}

func (b *removing) Open(ctx context.Context, ref blob.Ref) (blob.Reader, error) {
	if b.move {
		b.move = false
		b.l.move(b.movedBlobs)
	} else if !b.moved[ref] && len(b.moved) == 0 {
		b.moved[ref] = true
		b.l.act(Remove, Filter{State: Quarantined})
	}
	return b.movedBlobs.Open(ctx, ref)
}

// TestCheckBesideARunningQueue takes what has gone, or is elsewhere by then, for no
// damage.
func TestCheckBesideARunningQueue(t *testing.T) {
	for _, move := range []bool{true, false} {
		in(t, Options{}, func(t *testing.T, l *lab) {
			l.keep(refusedCopy(0, "a@x.test"))
			settle()
			blobs := &removing{&movedBlobs{Store: l.blobs, moved: map[blob.Ref]bool{}}, l, move}
			if found, n := l.check(blobs); len(found) != 0 || n != 1 || len(blobs.moved) != 1 {
				t.Errorf("move %v: %v of %d", move, found, n)
			}
		})
	}
}
