package queue

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/blob"
)

// fullBlobs is a store that has no room, while full.
type fullBlobs struct {
	blob.Store
	full atomic.Bool
}

func (b *fullBlobs) Append(ctx context.Context, tag string, size int64, src io.Reader) (blob.Ref, error) {
	if b.full.Load() {
		return blob.Ref{}, errors.New("no space left")
	}
	return b.Store.Append(ctx, tag, size, src)
}

// TestNobodyIsForgottenWhoCannotBeTold: a failure whose notification cannot be
// stored is no outcome yet; the recipient stays, with what was said of it, and
// the sender hears it once, later.
func TestNobodyIsForgottenWhoCannotBeTold(t *testing.T) {
	in(t, Options{Retry: []time.Duration{time.Hour}}, func(t *testing.T, l *lab) {
		b := &fullBlobs{Store: l.blobs}
		l.q.blobs = b
		l.next.answer = func(_ *Job, to string) Outcome {
			if strings.HasPrefix(to, "no@") {
				return unknown
			}
			return delivered
		}
		l.send("a@example.org", mail, "no@x.test", "yes@x.test")
		b.full.Store(true)
		l.start()
		settle()
		items := l.list()
		if len(items) != 1 || len(items[0].Recipients) != 1 || items[0].Recipients[0].To != "no@x.test" || items[0].Recipients[0].Reply != unknown.Reply.Error() {
			t.Fatalf("%+v", items)
		}
		b.full.Store(false)
		time.Sleep(2 * time.Hour)
		settle()
		told := 0
		for _, g := range l.next.all() {
			if g.from == "" && strings.Contains(g.body, "no@x.test") {
				told++
			}
		}
		if told != 1 || len(l.list()) != 0 {
			t.Errorf("told %d times, %d left", told, len(l.list()))
		}
	})
}

// TestAWarningThatCannotBeStoredComesLater.
func TestAWarningThatCannotBeStoredComesLater(t *testing.T) {
	in(t, Options{Retry: []time.Duration{time.Hour}, Warn: 90 * time.Minute, Expire: 48 * time.Hour}, func(t *testing.T, l *lab) {
		b := &fullBlobs{Store: l.blobs}
		l.q.blobs = b
		l.next.answer = func(j *Job, _ string) Outcome {
			if j.From.IsNull() {
				return delivered
			}
			return busy
		}
		warned := func() (n int) {
			for _, g := range l.next.all() {
				if g.from == "" {
					n++
				}
			}
			return n
		}
		l.send("a@example.org", mail, "late@x.test")
		b.full.Store(true)
		l.start()
		time.Sleep(5 * time.Hour)
		settle()
		if warned() != 0 {
			t.Fatal("told from a store without room")
		}
		b.full.Store(false)
		time.Sleep(5 * time.Hour)
		settle()
		if n := warned(); n != 1 || len(l.list()) != 1 {
			t.Errorf("%d warnings, %d left", n, len(l.list()))
		}
	})
}
