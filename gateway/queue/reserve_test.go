package queue

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// TestADiskThatTheQueueHasFilledIsEmptied: where the queue itself has filled the
// disk, what was delivered or removed leaves it nevertheless, and makes room; no
// mail is taken until there is.
func TestADiskThatTheQueueHasFilledIsEmptied(t *testing.T) {
	for _, how := range []string{"delivered", "removed"} {
		in(t, Options{}, func(t *testing.T, l *lab) {
			var free atomic.Bool
			l.next.answer = func(*Job, string) Outcome {
				if free.Load() {
					return delivered
				}
				return busy
			}
			l.start()
			l.send("a@example.org", mail, "b@x.test")
			time.Sleep(2 * logTime)
			settle()
			dir := t.TempDir()
			r := sqldb.NewReserve(dir, slog.New(slog.DiscardHandler), 0)
			r.Keep()
			set := func(r *sqldb.Reserve, w writeFunc) {
				l.q.mu.Lock()
				defer l.q.mu.Unlock()
				l.q.reserve, l.q.write = r, w
			}
			write, full := l.q.write, 0
			set(r, func(ctx context.Context, f func(context.Context, *sqldb.Tx) error) error {
				if _, err := os.Stat(filepath.Join(dir, "reserve")); err == nil {
					full++
					return syscall.ENOSPC
				}
				return write(ctx, f)
			})
			free.Store(true)
			switch how {
			case "removed":
				if n, err := l.q.Act(t.Context(), Change{Action: Remove, Filter: Filter{All: true}}, nil); n != 1 || err != nil {
					t.Errorf("%d removed, %v", n, err)
				}
			default:
				time.Sleep(time.Hour)
			}
			settle()
			if list := l.list(); len(list) != 0 || full == 0 {
				t.Errorf("%s: %d left, %d times full", how, len(list), full)
			}
			set(r, write)
			c := copyOf("a@example.org", mail, "c@x.test")
			if _, err := l.q.Delivery("out").Commit(t.Context(), c); err != nil {
				t.Errorf("there is room, and mail is not taken: %v", err)
			}
			time.Sleep(2 * logTime)
			settle()
			set(sqldb.NewReserve(dir, slog.New(slog.DiscardHandler), 1<<60), write)
			_, err := l.q.Delivery("out").Commit(t.Context(), copyOf("a@example.org", mail, "c@x.test"))
			var said smtp.Reply
			if !errors.As(err, &said) || !strings.HasPrefix(said.Error(), "452 4.3.1 ") {
				t.Errorf("without room: %v", err)
			}
			settle()
			l.q.mu.Lock()
			defer l.q.mu.Unlock()
			if l.q.wal.floor != l.q.wal.last+1 {
				t.Errorf("the log holds the space of segments from %d on, the newest is %d", l.q.wal.floor, l.q.wal.last)
			}
		})
	}
}

// TestNotReadyWithoutRoom: who asks hears it before a message was refused, and
// after it as long as no more than what removals need is free.
func TestNotReadyWithoutRoom(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		none := sqldb.NewReserve(t.TempDir(), slog.New(slog.DiscardHandler), 1<<60)
		l.q.reserve = none
		if l.q.Ready(t.Context()) {
			t.Error("ready before a message was refused")
		}
		if _, err := l.q.Delivery("out").Commit(t.Context(), copyOf("a@example.org", mail, "b@x.test")); err == nil || l.q.Ready(t.Context()) {
			t.Error("ready", err)
		}
		l.q.reserve = sqldb.NewReserve(t.TempDir(), slog.New(slog.DiscardHandler), 0)
		time.Sleep(readyEvery)
		if !l.q.Ready(t.Context()) {
			t.Error("not ready again")
		}
	})
}
