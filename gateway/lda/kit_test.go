package lda

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/mailbox"
	"github.com/gapura-mail/gapura/gateway/mailbox/mailboxtest"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// env is an LDA over a real store, with accounts and a queue in memory. Users
// are ana, bob and eve at home.test; aliases leads addresses to others.
type env struct {
	*LDA
	t       *testing.T
	queue   *queue
	log     *syncBuffer
	aliases map[string][]string
}

func newEnv(t *testing.T, change func(opt *Options, store *mailbox.Options)) *env {
	t.Helper()
	opt, place := DefaultOptions(), &mailboxtest.Place{Dir: t.TempDir(), Options: mailbox.DefaultOptions()}
	if change != nil {
		change(&opt, &place.Options)
	}
	e := &env{t: t, queue: &queue{}, log: &syncBuffer{}, aliases: map[string][]string{}}
	deps := Deps{
		Accounts: accounts{e}, Mailboxes: place.Open(t).Store, Queue: e.queue, Hostname: "mx.home.test", Separator: "+",
		Route: func(to smtp.Address) (string, bool) {
			switch to.Domain {
			case "home.test":
				return "home.test", true
			case "nowhere.test":
				return "", false
			}
			return "outbound", false
		},
		Rewrite: func(from smtp.ReversePath, domain string) smtp.ReversePath {
			if from.IsNull() {
				return from
			}
			return smtp.ReversePath{Address: smtp.Address{Local: "SRS0=" + from.Local, Domain: domain}}
		},
		Log: slog.New(slog.NewJSONHandler(e.log, nil)),
	}
	var err error
	if e.LDA, err = New(opt, deps); err != nil {
		t.Fatal(err)
	}
	return e
}

type accounts struct{ e *env }

func (a accounts) Resolve(_ context.Context, to smtp.Address) (list []Target, err error) {
	if to.Local == "trouble" {
		return nil, fmt.Errorf("the database is away")
	}
	targets := a.e.aliases[to.String()]
	if targets == nil {
		targets = []string{to.String()}
	}
	for _, s := range targets {
		t := Target{Address: addr(s)}
		bare, _, _ := strings.Cut(t.Address.Local, "+")
		if t.Address.Domain == "home.test" && slices.Contains([]string{"ana", "bob", "eve"}, strings.ToLower(bare)) {
			t.User = strings.ToLower(bare) + "@home.test"
		}
		list = append(list, t)
	}
	return list, nil
}

func (a accounts) First(_ context.Context, domain string) (string, error) {
	if domain == "home.test" || domain == "" {
		return "ana@home.test", nil
	}
	return "", nil
}

func (a accounts) Addresses(_ context.Context, user string) ([]smtp.Address, error) {
	return []smtp.Address{addr(user)}, nil
}

// queue notes what is submitted.
type queue struct {
	mu   sync.Mutex
	sent []sent
	err  error
}

type sent struct {
	from, to, route, text string
}

func (q *queue) Submit(_ context.Context, c *gateway.Copy, route string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err != nil {
		return q.err
	}
	r := c.Open()
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil || int64(len(b)) != c.Size {
		return fmt.Errorf("size %d is wrong: %d, %v", c.Size, len(b), err)
	}
	q.sent = append(q.sent, sent{c.From.Path(), c.Rcpts[0].To.Path(), route, string(b)})
	return nil
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func addr(s string) smtp.Address {
	a, err := smtp.ParseMailbox(s, smtp.UTF8)
	if err != nil {
		panic(err)
	}
	return a
}

const hello = "From: you@else.test\r\nTo: ana@home.test\r\nSubject: hello\r\nMessage-ID: <1@else.test>\r\n\r\nHi!\r\n"

// copyOf is a message to somebody.
func copyOf(id, text string, to ...string) *gateway.Copy {
	c := &gateway.Copy{
		ID: id, From: smtp.ReversePath{Address: addr("you@else.test")}, Size: int64(len(text)), PerRcpt: true,
		Open: func() io.ReadCloser { return io.NopCloser(strings.NewReader(text)) },
	}
	for _, a := range to {
		c.Rcpts = append(c.Rcpts, gateway.Recipient{To: smtp.ForwardPath{Address: addr(a)}, Route: "home.test"})
	}
	return c
}

// deliver commits a copy and returns the replies' codes and texts.
func (e *env) deliver(c *gateway.Copy) []string {
	e.t.Helper()
	d := e.Delivery()
	defer d.Abort()
	replies, err := d.Commit(e.t.Context(), c)
	if err != nil {
		e.t.Fatal(err)
	}
	list := make([]string, len(replies))
	for i, r := range replies {
		list[i] = r.Error()
	}
	return list
}

// script makes a user's active script.
func (e *env) script(user, text string) {
	e.t.Helper()
	u, err := e.Mailboxes.User(e.t.Context(), user)
	if err != nil {
		e.t.Fatal(err)
	}
	text = strings.ReplaceAll(text, "\n", "\r\n")
	if err := u.PutScript(e.t.Context(), "main", []byte(text)); err != nil {
		e.t.Fatal(err)
	}
	if err := u.ActivateScript(e.t.Context(), "main"); err != nil {
		e.t.Fatal(err)
	}
}

// folders returns "folder: messages" of the folders of a user that have some.
func (e *env) folders(user string) string {
	e.t.Helper()
	u, err := e.Mailboxes.User(e.t.Context(), user)
	if err != nil {
		e.t.Fatal(err)
	}
	list, err := u.Folders(e.t.Context())
	if err != nil {
		e.t.Fatal(err)
	}
	var all []string
	for _, f := range list {
		if f.Messages > 0 {
			all = append(all, fmt.Sprintf("%s: %d", f.Name, f.Messages))
		}
	}
	return strings.Join(all, ", ")
}

// message returns the octets and the flags of the newest message in a folder.
func (e *env) message(user, folder string) (text string, flags []string) {
	e.t.Helper()
	ctx := e.t.Context()
	u, err := e.Mailboxes.User(ctx, user)
	if err != nil {
		e.t.Fatal(err)
	}
	v, err := u.Select(ctx, folder, true)
	if err != nil {
		e.t.Fatal(err)
	}
	defer v.Close()
	if v.Len() == 0 {
		e.t.Fatalf("%s of %s is empty", folder, user)
	}
	_, err = v.Messages(ctx, mailbox.One(v.UID(v.Len())), false, func(m *mailbox.Message) error {
		r, err := v.Open(ctx, m)
		if err != nil {
			return err
		}
		defer r.Close()
		b, err := io.ReadAll(r)
		text, flags = string(b), v.Folder().Keywords.Names(m.Flags)
		return err
	})
	if err != nil {
		e.t.Fatal(err)
	}
	return text, flags
}
