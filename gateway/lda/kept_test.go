package lda

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/mailbox"
	"github.com/gapura-mail/gapura/gateway/mailbox/mailboxtest"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

const theBob, theCarol = "bob@here.test", "carol@here.test"

// place is an LDA with users, aliases and a queue in memory.
type place struct {
	*LDA
	t       *testing.T
	kit     *mailboxtest.Kit
	aliases map[string][]string
	queued  []string // "SENDER > RECIPIENT"
}

func newPlace(t *testing.T, mailboxes mailbox.Options) *place {
	t.Parallel()
	w := &place{t: t, aliases: map[string][]string{}}
	w.kit = (&mailboxtest.Place{Dir: t.TempDir(), Options: mailboxes}).Open(t)
	var err error
	w.LDA, err = New(DefaultOptions(), Deps{
		Accounts: w, Mailboxes: w.kit.Store, Queue: w, Hostname: "mx.here.test", Separator: "+",
		Route: func(to smtp.Address) (string, bool) { return "route", to.Domain == "here.test" },
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *place) Resolve(_ context.Context, to smtp.Address) ([]Target, error) {
	names, ok := w.aliases[to.String()]
	if !ok {
		names = []string{to.String()}
	}
	var list []Target
	for _, n := range names {
		a, err := smtp.ParseMailbox(n, 0)
		if err != nil {
			return nil, err
		}
		x := Target{Address: a}
		if local, _, _ := strings.Cut(a.Local, "+"); a.Domain == "here.test" && (local == "bob" || local == "carol") {
			x.User = local + "@here.test"
		}
		list = append(list, x)
	}
	return list, nil
}

func (w *place) First(context.Context, string) (string, error) { return theBob, nil }

func (w *place) Addresses(_ context.Context, user string) ([]smtp.Address, error) {
	a, err := smtp.ParseMailbox(user, 0)
	return []smtp.Address{a}, err
}

func (w *place) Submit(_ context.Context, c *gateway.Copy, _ string) error {
	r := c.Open()
	defer r.Close()
	if n, err := io.Copy(io.Discard, r); err != nil || n != c.Size {
		return errors.Join(err, fmt.Errorf("%d octets, not %d", n, c.Size))
	}
	w.queued = append(w.queued, c.From.Address.String()+" > "+c.Rcpts[0].To.Address.String())
	return nil
}

// script gives a user an active script.
func (w *place) script(user, text string) {
	w.t.Helper()
	u := w.kit.User(user)
	if err := errors.Join(u.PutScript(w.t.Context(), "s", []byte(text)), u.ActivateScript(w.t.Context(), "s")); err != nil {
		w.t.Fatal(err)
	}
}

// mail is a message for recipients.
func (w *place) mail(id, header string, rcpts ...string) *gateway.Copy {
	w.t.Helper()
	text := []byte("From: <ann@far.test>\r\nTo: <bob@here.test>\r\nSubject: s\r\n" + header + "\r\ntext\r\n")
	from, err := smtp.ParseMailbox("ann@far.test", 0)
	if err != nil {
		w.t.Fatal(err)
	}
	c := &gateway.Copy{
		ID: id, From: smtp.ReversePath{Address: from}, Size: int64(len(text)), PerRcpt: true,
		Open: func() io.ReadCloser { return io.NopCloser(bytes.NewReader(text)) },
	}
	for _, r := range rcpts {
		a, err := smtp.ParseMailbox(r, 0)
		if err != nil {
			w.t.Fatal(err)
		}
		c.Rcpts = append(c.Rcpts, gateway.Recipient{To: smtp.ForwardPath{Address: a}})
	}
	return c
}

// deliver returns the codes of the replies.
func (w *place) deliver(c *gateway.Copy) string {
	w.t.Helper()
	replies, err := w.Delivery().Commit(w.t.Context(), c)
	if err != nil {
		w.t.Fatal(err)
	}
	var codes []string
	for _, r := range replies {
		codes = append(codes, fmt.Sprint(r.Code))
	}
	return strings.Join(codes, " ")
}

func (w *place) want(what, got, want string) {
	w.t.Helper()
	if got != want {
		w.t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func (w *place) count(user, folder string) string {
	return fmt.Sprint(w.kit.Folder(w.kit.User(user), folder).Messages)
}

func TestMailIsKeptWhereNoFolderCanBeMade(t *testing.T) {
	w := newPlace(t, mailbox.Options{Folders: 6})
	w.script(theBob, `require ["fileinto", "mailbox"]; fileinto :create "one more";`)
	w.want("reply", w.deliver(w.mail("A", "", theBob)), "250")
	w.want("INBOX", w.count(theBob, mailbox.Inbox), "1")
	w.want("again", w.deliver(w.mail("A", "", theBob)), "250")
	w.want("INBOX, again", w.count(theBob, mailbox.Inbox), "1")
	w.want("two users", w.deliver(w.mail("B", "", theBob, theCarol)), "250 250")
	w.want("INBOX of bob", w.count(theBob, mailbox.Inbox), "2")
	w.want("INBOX of carol", w.count(theCarol, mailbox.Inbox), "1")
}

func TestCopyForAnotherIsSentOnceHoweverOftenTheUsersIsTried(t *testing.T) {
	w := newPlace(t, mailbox.Options{Only: map[string]mailbox.Limits{theBob: {Octets: 10}}})
	w.aliases["team@here.test"] = []string{theBob, "guest@far.test"}
	for range 3 {
		w.want("reply", w.deliver(w.mail("A", "", "team@here.test")), "452")
	}
	w.want("queued", strings.Join(w.queued, ", "), "ann@far.test > guest@far.test")
}

func TestWhatBecomesOfACopyIsSaidOfAllWhoLeadToIt(t *testing.T) {
	w := newPlace(t, mailbox.Options{Only: map[string]mailbox.Limits{theBob: {Octets: 10}}})
	w.aliases["info@here.test"] = []string{theBob}
	w.aliases["both@here.test"] = []string{theBob, theCarol}
	w.want("replies", w.deliver(w.mail("A", "", theBob, "info@here.test", "both@here.test", theCarol)), "452 452 452 250")
	w.want("carol", w.count(theCarol, mailbox.Inbox), "1")
}

func TestJunkGetsNoVacationReply(t *testing.T) {
	w := newPlace(t, mailbox.Options{})
	w.script(theBob, `require "vacation"; vacation "gone";`)
	w.want("junk", w.deliver(w.mail("A", "X-Spam-Flag: YES\r\n", theBob)), "250")
	w.want("junk is answered", strings.Join(w.queued, ", "), "")
	w.want("Junk", w.count(theBob, "Junk"), "1")
	w.want("mail", w.deliver(w.mail("B", "", theBob)), "250")
	w.want("answered", strings.Join(w.queued, ", "), " > ann@far.test")
}
