package quarantine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/queue"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/sqldb"
	"github.com/gapura-mail/gapura/gateway/sqldb/sqldbtest"
)

const mail = "Subject: hello \x1b[31m\r\nFrom: a@example.org\r\n\tfolded \u202e\r\n\r\nbody\r\n"

// lab is a queue, and a next hop that takes all.
type lab struct {
	t     *testing.T
	db    *sqldb.DB
	blobs blob.Store
	q     *queue.Queue
	got   chan *queue.Job
}

func newLab(t *testing.T) *lab {
	t.Helper()
	dir := t.TempDir()
	db, err := sqldb.Open(t.Context(), sqldb.Options{Dir: dir, URL: sqldbtest.URL(t, dir)})
	if err != nil {
		t.Fatal(err)
	}
	files := blob.Options{Dir: dir + "/blobs"}
	blobs, err := blob.OpenFiles(t.Context(), files, queue.Live(t.Context(), db, blob.NotesOf(files)))
	if err != nil {
		t.Fatal(err)
	}
	q, err := queue.Open(t.Context(), queue.Options{}, queue.Deps{DB: db, Blobs: blobs, Hostname: "mx.test", Log: slog.New(slog.DiscardHandler), Logged: true})
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{t, db, blobs, q, make(chan *queue.Job, 1000)}
	q.SetTransports(map[string]queue.Transport{"r": l})
	t.Cleanup(func() {
		if err := errors.Join(q.Close(context.Background()), blobs.Close(), db.Close()); err != nil {
			t.Error(err)
		}
	})
	return l
}

// Deliver implements queue.Transport.
func (l *lab) Deliver(_ context.Context, j *queue.Job) []queue.Outcome {
	l.got <- j
	outs := make([]queue.Outcome, len(j.Rcpts))
	for i := range outs {
		outs[i] = queue.Outcome{Result: queue.Delivered, Reply: smtp.NewReply(250, smtp.EnhancedCode{2, 0, 0}, "ok")}
	}
	return outs
}

// keep puts a message into quarantine.
func (l *lab) keep(id string, to ...string) {
	l.t.Helper()
	c := &gateway.Copy{ID: id, Size: int64(len(mail)), Open: func() io.ReadCloser { return io.NopCloser(strings.NewReader(mail)) }}
	for _, a := range to {
		local, domain, _ := strings.Cut(a, "@")
		c.Rcpts = append(c.Rcpts, gateway.Recipient{To: smtp.ForwardPath{Address: smtp.Address{Local: local, Domain: domain}}, Route: "r"})
		c.Kept = append(c.Kept, &gateway.Kept{
			Rule: "a.yaml:1 one\na.yaml:7 odd\x1b", Stage: "message", Reason: "550 no\u009b", Author: "A \u202e", Subject: "hello \x1b[31m",
			Facts: []gateway.KeptFact{{Name: "spam.score", Value: "7\a"}},
		})
	}
	d := l.q.Delivery("")
	defer d.Abort()
	if _, err := d.Commit(l.t.Context(), c); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) list(f queue.Filter) (items []*Item) {
	l.t.Helper()
	if err := List(l.t.Context(), l.db, queue.Options{}, f, func(it *Item) error { items = append(items, it); return nil }); err != nil {
		l.t.Fatal(err)
	}
	return items
}

// wanted notes what is taught.
type wanted struct {
	t      *testing.T
	db     *sqldb.DB
	taught []string
}

func (w *wanted) Wanted(ctx context.Context, id string, to smtp.Address, open func() (io.ReadCloser, error)) {
	r, err := open()
	if err != nil {
		w.t.Error(err)
		return
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if string(b) != mail || err != nil {
		w.t.Errorf("%q, %v", b, err)
	}
	there := 0
	if err := List(ctx, w.db, queue.Options{}, queue.Filter{ID: id, To: to.String()}, func(*Item) error { there++; return nil }); err != nil || there != 1 {
		w.t.Errorf("%s is released before it is learned: %v", to, err)
	}
	w.taught = append(w.taught, id+" "+to.String())
}

// TestReleaseTeaches each recipient's filter, once, before the mail goes; to remove
// teaches nothing.
func TestReleaseTeaches(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.keep("1", "a@x.test", "b@x.test", "postmaster")
	l.keep("2", "a@x.test")
	w := &wanted{t: t, db: l.db}
	act := func(c Change, want int) {
		t.Helper()
		change, err := c.Queue(l.blobs, w)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := l.q.Act(t.Context(), change, nil); n != want || err != nil {
			t.Fatal(n, err)
		}
	}
	act(Change{Action: queue.Release, Filter: queue.Filter{ID: "1", Domain: "x.test"}}, 2)
	act(Change{Action: queue.Release, Filter: queue.Filter{ID: "1"}}, 1)
	act(Change{Action: queue.Release, Filter: queue.Filter{ID: "1"}}, 0)
	if got := fmt.Sprint(w.taught); got != "[1 a@x.test 1 b@x.test 1 postmaster]" {
		t.Errorf("taught %s", got)
	}
	for range 3 {
		if j := <-l.got; j.ID != "1" || !j.Queue.Released || j.Attempt != 1 {
			t.Errorf("%+v", j)
		}
	}
	l.keep("3", "c@x.test")
	act(Change{Action: queue.Remove, Filter: queue.Filter{ID: "2"}}, 1)
	act(Change{Action: queue.Release, Filter: queue.Filter{ID: "3"}, NoLearn: true}, 1)
	if j := <-l.got; j.ID != "3" || len(w.taught) != 3 || len(l.list(queue.Filter{All: true})) != 0 {
		t.Errorf("%s; taught %s", j.ID, w.taught)
	}
}

// TestNothingIsChosenByMistake: a filter that says nothing, or that means the
// queue, chooses nothing there.
func TestNothingIsChosenByMistake(t *testing.T) {
	t.Parallel()
	for _, f := range []queue.Filter{{}, {State: queue.Quarantined}, {State: queue.Held}} {
		if _, err := (Change{Action: queue.Remove, Filter: f}).Queue(nil, nil); !errors.Is(err, queue.ErrNoFilter) {
			t.Errorf("%+v: %v", f, err)
		}
		if err := List(t.Context(), nil, queue.Options{}, f, nil); !errors.Is(err, queue.ErrNoFilter) {
			t.Errorf("%+v: %v", f, err)
		}
	}
	if c, err := (Change{Action: queue.Release, Filter: queue.Filter{All: true, State: queue.Held}}).Queue(nil, nil); err != nil || c.Filter.State != queue.Quarantined || c.Before != nil {
		t.Errorf("%+v, %v", c, err)
	}
}

// TestWhatIsShown has nothing in it that a terminal obeys.
func TestWhatIsShown(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.keep("1", "a@x.test")
	items := l.list(queue.Filter{All: true})
	if len(items) != 1 {
		t.Fatal(items)
	}
	it := items[0]
	if err := it.Read(t.Context(), l.blobs); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprintf("%q", it.Header) != `["Subject: hello ?[31m" "From: a@example.org" " folded ?"]` {
		t.Errorf("%q", it.Header)
	}
	if len(it.Rules) != 2 || it.Rules[1] != "a.yaml:7 odd?" || it.Facts["spam.score"] != "7?" || it.Subject != "hello ?[31m" || it.Author != "A ?" || it.Reason != "550 no?" {
		t.Errorf("%+v", it)
	}
	if it.Expires == nil || it.Expires.Sub(it.Kept) != 720*time.Hour || it.Size != int64(len(mail)) || it.To != "a@x.test" || it.Route != "r" {
		t.Errorf("%+v", it)
	}
	b, err := json.Marshal(it)
	if err != nil || strings.ContainsAny(string(b), "\x1b\u009b\u202e\a") {
		t.Errorf("%s %v", b, err)
	}
	r, err := it.Open(t.Context(), l.blobs)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if raw, err := io.ReadAll(r); string(raw) != mail || err != nil {
		t.Errorf("%q %v", raw, err)
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	if DefaultOptions().Validate() != nil || (Options{Expire: time.Second}).Validate() == nil || (Options{}).Validate() == nil {
		t.Error("what can be, and what cannot")
	}
}
