package queue

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/sqldb"
	"github.com/gapura-mail/gapura/gateway/sqldb/sqldbtest"
)

// lab is a queue on stores in a temporary folder, and a transport that does
// what a test says.
type lab struct {
	t     testing.TB
	dir   string
	opt   Options
	db    *sqldb.DB
	blobs blob.Store
	q     *Queue
	log   *slog.Logger
	next  *fake
}

func newLab(t testing.TB, opt Options) *lab {
	l := &lab{t: t, dir: t.TempDir(), opt: opt, log: slog.New(slog.DiscardHandler)}
	l.next = &fake{}
	l.open()
	t.Cleanup(l.close)
	return l
}

// in runs f in a bubble with a clock of its own, on a new queue.
func in(t *testing.T, opt Options, f func(t *testing.T, l *lab)) {
	synctest.Test(t, func(t *testing.T) {
		l := &lab{t: t, dir: t.TempDir(), opt: opt, next: &fake{}}
		l.log = quiet
		l.open()
		defer l.close()
		f(t, l)
	})
}

// settle waits until nothing happens any more, and a moment longer, for what
// is written with something else.
func settle() {
	for range 4 {
		synctest.Wait()
		time.Sleep(5 * time.Millisecond)
	}
	synctest.Wait()
}

func (l *lab) open() {
	l.t.Helper()
	ctx := context.Background()
	var err error
	if l.db, err = sqldb.Open(ctx, sqldb.Options{Dir: l.dir, URL: sqldbtest.URL(l.t, l.dir)}); err != nil {
		l.t.Fatal(err)
	}
	files := blob.Options{Dir: l.dir + "/blobs"}
	if l.blobs, err = blob.OpenFiles(ctx, files, Live(ctx, l.db, blob.NotesOf(files))); err != nil {
		l.t.Fatal(err)
	}
	if l.q, err = Open(ctx, l.opt, l.deps()); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) deps() Deps {
	return Deps{DB: l.db, Blobs: l.blobs, Hostname: "mx.example.org", Log: l.log, Logged: true, Leads: leadOut}
}

// start lets the fake transport deliver.
func (l *lab) start() { l.q.SetTransports(map[string]Transport{"out": l.next}) }

func (l *lab) close() {
	if l.q == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := l.q.Close(ctx); err != nil {
		l.t.Error(err)
	}
	l.q = nil
	if err := l.blobs.Close(); err != nil {
		l.t.Error(err)
	}
	if err := l.db.Close(); err != nil {
		l.t.Error(err)
	}
}

// send queues a message.
func (l *lab) send(from, body string, to ...string) string {
	l.t.Helper()
	c := copyOf(from, body, to...)
	l.commit(c)
	return c.ID
}

func (l *lab) commit(c *gateway.Copy) {
	l.t.Helper()
	d := l.q.Delivery("out")
	defer d.Abort()
	replies, err := d.Commit(context.Background(), c)
	if err != nil {
		l.t.Fatal(err)
	}
	if len(replies) != len(c.Rcpts) || replies[0].Code != 250 {
		l.t.Fatalf("replies: %v", replies)
	}
}

func copyOf(from, body string, to ...string) *gateway.Copy {
	c := &gateway.Copy{
		ID: ulid.Make().String(), Size: int64(len(body)),
		Open: func() io.ReadCloser { return io.NopCloser(strings.NewReader(body)) },
	}
	if from != "" {
		c.From.Address = address(from)
	}
	for _, a := range to {
		c.Rcpts = append(c.Rcpts, gateway.Recipient{To: smtp.ForwardPath{Address: address(a)}})
	}
	return c
}

func address(s string) smtp.Address {
	a, err := smtp.ParseMailbox(s, smtp.UTF8)
	if err != nil {
		panic(err)
	}
	return a
}

// got is what a fake next hop was given.
type got struct {
	id, from string
	to       []string
	body     string
	attempt  int
	at       time.Time
	job      *Job
}

// fake is a next hop; answer says what becomes of a recipient, nil: all is
// delivered.
type fake struct {
	mu     sync.Mutex
	answer func(j *Job, to string) Outcome
	before func(ctx context.Context, j *Job)
	got    []got
	active int
	most   int
}

func (f *fake) Deliver(ctx context.Context, j *Job) []Outcome {
	f.mu.Lock()
	f.active++
	f.most = max(f.most, f.active)
	before, answer := f.before, f.answer
	f.mu.Unlock()
	if before != nil {
		before(ctx, j)
	}
	r, err := j.Open()
	if err != nil {
		return same(len(j.Rcpts), Outcome{Local: true, Reply: smtp.NewReply(451, smtp.EnhancedCode{4, 3, 0}, err.Error())})
	}
	defer r.Close()
	var b bytes.Buffer
	if _, err := r.(io.WriterTo).WriteTo(&b); err != nil {
		return same(len(j.Rcpts), Outcome{Local: true, Reply: smtp.NewReply(451, smtp.EnhancedCode{4, 3, 0}, err.Error())})
	}
	outs := make([]Outcome, len(j.Rcpts))
	var to []string
	for i := range outs {
		a := j.Rcpts[i].To.String()
		outs[i] = delivered
		if answer != nil {
			outs[i] = answer(j, a)
		}
		if outs[i].Result == Delivered {
			to = append(to, a)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.active--
	f.got = append(f.got, got{j.ID, j.From.String(), to, b.String(), j.Attempt, time.Now(), j})
	return outs
}

// all returns what has been given so far.
func (f *fake) all() []got {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]got(nil), f.got...)
}

var (
	delivered = Outcome{Result: Delivered, MTA: "mx.next", Addr: "192.0.2.1:25", Reply: smtp.NewReply(250, smtp.EnhancedCode{2, 0, 0}, "taken")}
	busy      = Outcome{Result: Deferred, MTA: "mx.next", Addr: "192.0.2.1:25", Reply: smtp.NewReply(451, smtp.EnhancedCode{4, 2, 1}, "later")}
	unknown   = Outcome{Result: Failed, MTA: "mx.next", Addr: "192.0.2.1:25", Reply: smtp.NewReply(550, smtp.EnhancedCode{5, 1, 1}, "no such user")}
	away      = Outcome{Result: Deferred, Local: true, Destination: true, Reply: smtp.NewReply(451, smtp.EnhancedCode{4, 4, 1}, "no answer")}
)

const mail = "From: a@example.org\r\nTo: b@example.net\r\nSubject: hello\r\nMessage-ID: <1@example.org>\r\n\r\nbody\r\n"

// act does something to the one message that the filter finds.
func (l *lab) act(a Action, f Filter) {
	l.t.Helper()
	if n, err := l.q.Act(context.Background(), Change{Action: a, Filter: f}, nil); n != 1 || err != nil {
		l.t.Fatal(a, n, err)
	}
}

// comeBack ends what keeps the next hop down, and waits until all was tried again.
func (l *lab) comeBack(down *bool) {
	l.next.mu.Lock()
	*down = false
	l.next.mu.Unlock()
	time.Sleep(3 * time.Hour) // of synctest's clock
	settle()
}

// list returns what is in the queue.
func (l *lab) list() (items []*Item) {
	l.t.Helper()
	err := List(context.Background(), l.db, l.opt, Filter{All: true}, func(it *Item) error {
		items = append(items, it)
		return nil
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return items
}

var _ = fmt.Sprint

var quiet = slog.New(slog.DiscardHandler)
