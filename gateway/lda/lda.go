package lda

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/mailbox"
	"github.com/gapura-mail/gapura/gateway/sieve"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// Accounts know whose an address is.
type Accounts interface {
	// Resolve returns where mail for an address goes: users of ours, and
	// addresses elsewhere. An address that is nobody's leads to itself, with no
	// user.
	Resolve(ctx context.Context, to smtp.Address) ([]Target, error)
	// First returns the user of a domain who was there first, "" : there is
	// none; of domain "" the first of all.
	First(ctx context.Context, domain string) (user string, err error)
	// Addresses returns a user's own addresses, the main one first.
	Addresses(ctx context.Context, user string) ([]smtp.Address, error)
}

// Target is where mail for an address goes.
type Target struct {
	Address smtp.Address
	User    string // whose it is, as mailboxes call the user; "" : nobody's here
}

// Queue takes mail that scripts send.
type Queue interface {
	Submit(ctx context.Context, c *gateway.Copy, route string) error
}

// Deps are what an LDA works with.
type Deps struct {
	Accounts  Accounts
	Mailboxes *mailbox.Store // nil: for who only asks whom mail would go to
	Scripts   *Scripts       // compiled ones
	Queue     Queue
	// Route returns the route of an address, "" : there is none; local tells
	// whether it leads back here.
	Route func(to smtp.Address) (route string, local bool)
	// Rewrite returns the envelope sender of mail that an address of domain
	// passes on (SRS); nil: it stays.
	Rewrite func(from smtp.ReversePath, domain string) smtp.ReversePath
	// Sign puts signatures on top of mail that is written here; nil: none.
	Sign     func(msg []byte) ([]byte, error)
	Hostname string
	// Separator begins the detail in a local part; "" : nothing does.
	Separator string
	// Postmasters are addresses by domain; of others Options has one.
	Postmasters map[string]string
	Log         *slog.Logger // nil: none
	Metrics     *Metrics     // nil: none
}

// LDA delivers into mailboxes. Its methods may be called by many at once.
type LDA struct {
	opt Options
	Deps
}

// New returns an LDA.
func New(opt Options, deps Deps) (*LDA, error) {
	if err := errors.Join(opt.Check(), CheckPostmaster(opt.Postmaster)); err != nil {
		return nil, fmt.Errorf("lda: %w", err)
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	if deps.Scripts == nil {
		deps.Scripts = NewScripts(sieve.DefaultOptions())
	}
	return &LDA{opt, deps}, nil
}

// Replies to recipients.
var (
	recipientOK = smtp.NewReply(250, smtp.EnhancedCode{2, 1, 5}, "Recipient ok")
	delivered   = smtp.NewReply(250, smtp.EnhancedCode{2, 0, 0}, "Delivered")
	noUser      = smtp.NewReply(550, smtp.EnhancedCode{5, 1, 1}, "No such user here")
	fullNow     = smtp.NewReply(452, smtp.EnhancedCode{4, 2, 2}, "The mailbox is full")
	fullForGood = smtp.NewReply(552, smtp.EnhancedCode{5, 2, 2}, "The mailbox is full")
	tooBig      = smtp.NewReply(552, smtp.EnhancedCode{5, 2, 3}, "The message is larger than this mailbox takes")
	noSpace     = smtp.NewReply(452, smtp.EnhancedCode{4, 3, 1}, "Insufficient system storage; try again later")
	localError  = smtp.NewReply(451, smtp.EnhancedCode{4, 3, 0}, "Local error; try again later")
)

// full is what is said where there is no room.
func (l *LDA) full() smtp.Reply {
	if l.opt.Full == FullRefuse {
		return fullForGood
	}
	return fullNow
}

// Verify tells whether mail for a recipient is taken: somebody is behind the
// address, and has room for so much. It has the form that inbound asks for.
func (l *LDA) Verify(ctx context.Context, _ smtp.ReversePath, p smtp.MailParams, to smtp.ForwardPath, _ smtp.RcptParams) (smtp.Reply, error) {
	list, err := l.resolve(ctx, to.Address)
	if err != nil {
		return smtp.Reply{}, err
	}
	if len(list) == 0 {
		return noUser, nil
	}
	full := smtp.Reply{}
	for _, t := range list {
		if t.User == "" || l.Mailboxes == nil {
			return recipientOK, nil
		}
		switch err := l.Mailboxes.Room(ctx, t.User, p.Size); {
		case err == nil:
			return recipientOK, nil
		case errors.Is(err, mailbox.ErrTooBig):
			full = tooBig
		case errors.Is(err, mailbox.ErrQuota):
			full = l.full()
		default:
			return smtp.Reply{}, err
		}
	}
	return full, nil
}

// Reached tells whether somebody gets mail for an address.
func (l *LDA) Reached(ctx context.Context, to smtp.Address) (bool, error) {
	list, err := l.resolve(ctx, to)
	return len(list) > 0, err
}

// resolve returns who gets mail for an address; nobody: it is refused. What
// was resolved before leads to itself: an alias that leads to others and to
// the user of its own name does so once only.
func (l *LDA) resolve(ctx context.Context, to smtp.Address) ([]Target, error) {
	list, err := l.Accounts.Resolve(ctx, to)
	if err != nil {
		return nil, err
	}
	for _, t := range list {
		if t.User != "" && strings.EqualFold(t.Address.Local, to.Local) && smtp.EqualDomain(t.Address.Domain, to.Domain) {
			return []Target{t}, nil
		}
	}
	taken := list[:0:0]
	for _, t := range list {
		if _, local := l.Route(t.Address); t.User != "" || !local {
			taken = append(taken, t)
		}
	}
	if len(taken) == 0 && (smtp.ForwardPath{Address: to}).IsPostmaster() {
		return l.postmaster(ctx, to.Domain)
	}
	return taken, nil
}

// postmaster returns who gets mail to the postmaster of a domain, which RFC
// 5321 section 4.5.1 has every domain take.
func (l *LDA) postmaster(ctx context.Context, domain string) ([]Target, error) {
	if name, err := smtp.ASCIIDomain(domain); err == nil {
		domain = name
	}
	if s := cmp.Or(l.Postmasters[domain], l.opt.Postmaster); s != "" {
		a, err := smtp.ParseMailbox(s, smtp.UTF8)
		if err != nil {
			return nil, fmt.Errorf("lda: postmaster %q: %w", s, err)
		}
		if (smtp.ForwardPath{Address: a}).IsPostmaster() && smtp.EqualDomain(a.Domain, domain) { // itself
			return l.firstUser(ctx, domain)
		}
		list, err := l.Accounts.Resolve(ctx, a)
		if err != nil {
			return nil, err
		}
		taken := list[:0:0]
		for _, t := range list {
			if _, local := l.Route(t.Address); t.User != "" || !local {
				taken = append(taken, t)
			}
		}
		if len(taken) > 0 {
			return taken, nil
		}
		l.Log.Warn("the configured postmaster takes no mail", "domain", domain, "postmaster", s)
	}
	return l.firstUser(ctx, domain)
}

// firstUser is who was there first: whoever set the gateway up.
func (l *LDA) firstUser(ctx context.Context, domain string) ([]Target, error) {
	for _, d := range []string{domain, ""} {
		user, err := l.Accounts.First(ctx, d)
		if err != nil {
			return nil, err
		}
		if user == "" {
			continue
		}
		a, err := smtp.ParseMailbox(user, smtp.UTF8)
		if err != nil {
			return nil, fmt.Errorf("lda: user %q: %w", user, err)
		}
		return []Target{{Address: a, User: user}}, nil
	}
	return nil, nil
}

// detail returns what is behind the separator in an address of a user; "" :
// nothing, or the address is another.
func (l *LDA) detail(t Target) string {
	if l.Separator == "" {
		return ""
	}
	local, _, ok := cut(t.User)
	if !ok || len(t.Address.Local) <= len(local) || !strings.EqualFold(t.Address.Local[:len(local)], local) {
		return ""
	}
	detail, ok := strings.CutPrefix(t.Address.Local[len(local):], l.Separator)
	if !ok {
		return ""
	}
	return detail
}

// cut cuts a user's name at its last @.
func cut(name string) (local, domain string, ok bool) {
	i := strings.LastIndexByte(name, '@')
	if i < 0 {
		return name, "", false
	}
	return name[:i], name[i+1:], true
}
