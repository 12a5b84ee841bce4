package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"text/tabwriter"
	"time"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/gateway/mailbox"
)

// mailboxCmd is `gapura mailbox`.
type mailboxCmd struct {
	List   mailboxList   `cmd:"" help:"List the mailboxes, with what they take."`
	Show   mailboxShow   `cmd:"" help:"Show a mailbox: folders, scripts, quota."`
	Remove mailboxRemove `cmd:"" help:"Remove a mailbox with all mail."`
}

// mailboxAsk is what a command asks of the mailboxes.
type mailboxAsk struct {
	Do   string `json:"do"` // list, show, remove, end, forget
	User string `json:"user,omitempty"`
}

// mailboxRow is a mailbox in a list. Limits are 0 where there are none.
type mailboxRow struct {
	User        string `json:"user"`
	Messages    int64  `json:"messages"`
	Octets      int64  `json:"octets"`
	MaxMessages int64  `json:"max_messages,omitempty"`
	MaxOctets   int64  `json:"max_octets,omitempty"`
}

// mailboxDetails is a mailbox with its folders.
type mailboxDetails struct {
	mailboxRow
	Folders []folderRow `json:"folders"`
	Scripts []scriptRow `json:"scripts"`
}

type folderRow struct {
	Name        string `json:"name"`
	Role        string `json:"role,omitempty"`
	Messages    uint32 `json:"messages"`
	Unseen      uint32 `json:"unseen"`
	Octets      int64  `json:"octets"`
	Subscribed  bool   `json:"subscribed"`
	UIDValidity uint32 `json:"uid_validity"`
	UIDNext     uint32 `json:"uid_next"`
}

type scriptRow struct {
	Name    string    `json:"name"`
	Active  bool      `json:"active"`
	Size    int64     `json:"size"`
	Changed time.Time `json:"changed"`
}

// mailboxAnswer is what comes back.
type mailboxAnswer struct {
	List     []mailboxRow    `json:"list,omitempty"`
	Details  *mailboxDetails `json:"details,omitempty"`
	Sessions int             `json:"sessions,omitempty"` // that were ended
}

// maxListed bounds how many mailboxes are listed.
const maxListed = 100_000

func answerMailbox(ctx context.Context, store *mailbox.Store, ask mailboxAsk) (a mailboxAnswer, err error) {
	switch ask.Do {
	case "list":
		a.List, err = listMailboxes(ctx, store)
	case "show":
		a.Details, err = detailsOf(ctx, store, ask.User)
	case "remove":
		err = store.DeleteUser(ctx, ask.User)
	case "end", "forget":
	default:
		err = fmt.Errorf("unknown request %q", ask.Do)
	}
	return a, err
}

func listMailboxes(ctx context.Context, store *mailbox.Store) (list []mailboxRow, err error) {
	for name, err := range store.Users(ctx) {
		if err != nil {
			return nil, err
		}
		if len(list) == maxListed {
			return list, nil
		}
		u, err := store.Find(ctx, name)
		if errors.Is(err, mailbox.ErrNoUser) { // meanwhile
			continue
		}
		if err != nil {
			return nil, err
		}
		r, err := rowOfMailbox(ctx, u)
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, nil
}

func rowOfMailbox(ctx context.Context, u *mailbox.User) (mailboxRow, error) {
	x, err := u.Usage(ctx)
	return mailboxRow{u.Name(), x.Messages, x.Octets, max(0, x.Limits.Messages), max(0, x.Limits.Octets)}, err
}

func detailsOf(ctx context.Context, store *mailbox.Store, name string) (*mailboxDetails, error) {
	u, err := store.Find(ctx, name)
	if err != nil {
		return nil, err
	}
	d := &mailboxDetails{Folders: []folderRow{}, Scripts: []scriptRow{}}
	if d.mailboxRow, err = rowOfMailbox(ctx, u); err != nil {
		return nil, err
	}
	folders, err := u.Folders(ctx)
	if err != nil {
		return nil, err
	}
	for _, f := range folders {
		d.Folders = append(d.Folders, folderRow{f.Name, f.Role.String(), f.Messages, f.Unseen, f.Size, f.Subscribed, f.Validity, f.Next})
	}
	scripts, err := u.Scripts(ctx)
	for _, s := range scripts {
		d.Scripts = append(d.Scripts, scriptRow{s.Name, s.Active, s.Size, s.Changed.UTC()})
	}
	return d, err
}

// actOnMailbox answers a command.
func (s *server) actOnMailbox(w http.ResponseWriter, r *http.Request) {
	var ask mailboxAsk
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)).Decode(&ask); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	ended := 0
	switch ask.Do {
	case "remove", "end":
		ended = s.endSessions(ask.User)
	case "forget":
		s.forgetAccounts()
	}
	a, err := answerMailbox(r.Context(), s.mail.Store, ask)
	if err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	a.Sessions = ended
	json.NewEncoder(w).Encode(a)
}

// endSessions ends the sessions of a user, by whichever protocol, and makes sure
// that mail is not delivered to who has just gone.
func (s *server) endSessions(user string) (n int) {
	s.forgetAccounts()
	s.reloading.Lock()
	defer s.reloading.Unlock()
	for _, l := range s.listeners {
		n += l.service.End(user)
	}
	return n
}

// forgetAccounts makes changed users and aliases count.
func (s *server) forgetAccounts() {
	for _, f := range s.gen.Load().forget {
		f()
	}
}

// askMailboxes asks the running gateway, or the mailboxes themselves where none
// runs.
func (a *app) askMailboxes(cfg *config.Config, ask mailboxAsk) (answer mailboxAnswer, err error) {
	resp, err := callControl(a.ctx, cfg, "/mailbox", ask)
	if err == nil {
		defer resp.Body.Close()
		return answer, json.NewDecoder(resp.Body).Decode(&answer)
	}
	if !errors.Is(err, errNoGateway) {
		return answer, err
	}
	if err := checkOwner(cfg.Data); err != nil {
		return answer, err
	}
	store, closeStore, err := openMailStore(a.ctx, cfg)
	if err != nil {
		return answer, err
	}
	defer func() { err = errors.Join(err, closeStore()) }()
	return answerMailbox(a.ctx, store, ask)
}

// withMailboxes loads the configuration and asks.
func (a *app) withMailboxes(ask mailboxAsk) (mailboxAnswer, error) {
	cfg, err := config.LoadWithoutSecrets(a.config)
	if err != nil {
		return mailboxAnswer{}, err
	}
	return a.askMailboxes(cfg, ask)
}

type mailboxList struct{}

// Help is printed below the flags.
func (*mailboxList) Help() string {
	return `A mailbox is made by the first mail or login; users without one are not listed.

Example:
  gapura mailbox list --json`
}

// Run implements the command.
func (*mailboxList) Run(a *app) error {
	answer, err := a.withMailboxes(mailboxAsk{Do: "list"})
	if err != nil {
		return err
	}
	list := append([]mailboxRow{}, answer.List...)
	return a.print(list, func(w io.Writer) {
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "USER\tMESSAGES\tSIZE\tLIMIT")
		for _, r := range list {
			fmt.Fprintf(t, "%s\t%d\t%s\t%s\n", r.User, r.Messages, sizeText(r.Octets), r.limit())
		}
		t.Flush()
	})
}

func (r mailboxRow) limit() string {
	switch {
	case r.MaxOctets > 0 && r.MaxMessages > 0:
		return fmt.Sprintf("%s, %d messages", sizeText(r.MaxOctets), r.MaxMessages)
	case r.MaxOctets > 0:
		return sizeText(r.MaxOctets)
	case r.MaxMessages > 0:
		return fmt.Sprintf("%d messages", r.MaxMessages)
	}
	return "none"
}

// sizeText writes octets for people.
func sizeText(n int64) string {
	x, unit := float64(n), ""
	for _, u := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if x < 1024 {
			break
		}
		x, unit = x/1024, u
	}
	if unit == "" {
		return fmt.Sprintf("%d", n)
	}
	return fmt.Sprintf("%.1f%s", x, unit)
}

type mailboxShow struct {
	User string `arg:"" help:"The user's name."`
}

// Help is printed below the flags.
func (*mailboxShow) Help() string {
	return `Example:
  gapura mailbox show ana@example.org`
}

// Run implements the command.
func (c *mailboxShow) Run(a *app) error {
	answer, err := a.withMailboxes(mailboxAsk{Do: "show", User: c.User})
	if err != nil {
		return err
	}
	return a.print(answer.Details, answer.Details.text)
}

func (d *mailboxDetails) text(w io.Writer) {
	fmt.Fprintf(w, "%s: %d messages, %s, limit %s\n", d.User, d.Messages, sizeText(d.Octets), d.limit())
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "FOLDER\tROLE\tMESSAGES\tUNSEEN\tSIZE")
	for _, f := range d.Folders {
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%s\n", f.Name, f.Role, f.Messages, f.Unseen, sizeText(f.Octets))
	}
	t.Flush()
	for _, s := range d.Scripts {
		fmt.Fprintf(w, "script: %s%s\n", s.Name, map[bool]string{true: " (active)"}[s.Active])
	}
}

type mailboxRemove struct {
	User string `arg:"" help:"The user's name."`
	Yes  bool   `help:"Do it."`
}

// Help is printed below the flags.
func (*mailboxRemove) Help() string {
	return `Ends the user's sessions and removes all of its mail, folders and scripts. The user
itself stays; gapura user remove --mailbox removes both.

Example:
  gapura mailbox remove ana@example.org --yes`
}

// Run implements the command.
func (c *mailboxRemove) Run(a *app) error {
	if !c.Yes {
		return usageError{errors.New("all mail of " + c.User + " would be gone for good; --yes does it")}
	}
	_, err := a.withMailboxes(mailboxAsk{Do: "remove", User: c.User})
	return a.done(c.User, "mailbox removed", err)
}
