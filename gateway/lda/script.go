package lda

import (
	"context"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway/mailbox"
	"github.com/gapura-mail/gapura/gateway/sieve"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// run makes the plan of a user's copy: what its script says, else home.
func (j *job) run(ctx context.Context, p *parcel) error {
	if j.m.Queue.Released { // it is waited for, and no junk: neither its marks nor a script take it elsewhere
		p.plan.stores = []store{{folder: mailbox.Inbox}}
		return nil
	}
	home, err := j.home(ctx, p)
	if err != nil {
		return err
	}
	script, name, err := j.script(ctx, p)
	if err != nil {
		return err
	}
	if script == nil || j.m.header == nil {
		p.plan.stores = []store{home}
		return nil
	}
	env, err := j.env(ctx, p)
	if err != nil {
		return err
	}
	result, err := script.Run(ctx, env)
	j.l.Metrics.ran(err)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		j.l.Log.Warn("a user's script failed; the mail is kept", "id", j.m.ID, "user", p.target.User, "script", name, "error", err.Error())
	}
	for _, w := range result.Warnings {
		j.l.Log.Info("a user's script", "id", j.m.ID, "user", p.target.User, "script", name, "warning", w.Error())
	}
	for _, a := range result.Actions {
		if err := j.plan(ctx, p, a, home); err != nil {
			return err
		}
	}
	for _, r := range result.Remember {
		p.plan.learn = append(p.plan.learn, remembered{memory("duplicate", r.Key), j.now.Add(r.For)})
	}
	return nil
}

// script returns the user's active script; nil: there is none, or it cannot be
// compiled.
func (j *job) script(ctx context.Context, p *parcel) (*sieve.Script, string, error) {
	if !j.l.opt.Sieve {
		return nil, "", nil
	}
	x, err := p.user.ActiveScript(ctx)
	if errors.Is(err, mailbox.ErrNoScript) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	s, err := j.l.Scripts.compile(x)
	if err != nil {
		j.l.Metrics.ran(err)
		j.l.Log.Warn("a user's script cannot be compiled; the mail is kept", "id", j.m.ID, "user", p.target.User, "script", x.Name, "error", err.Error())
		return nil, "", nil
	}
	return s, x.Name, nil
}

// env is what a script sees.
func (j *job) env(ctx context.Context, p *parcel) (*sieve.Env, error) {
	own, err := j.l.Accounts.Addresses(ctx, p.target.User)
	if err != nil {
		return nil, err
	}
	b := &box{user: p.user, scripts: j.l.Scripts}
	env := &sieve.Env{
		Message:   sieve.Message{Header: j.m.header, Size: j.m.Size, Body: func() (io.Reader, error) { return j.m.openBody() }},
		Envelope:  sieve.Envelope{From: j.m.From, To: p.target.Address, OriginalTo: j.original(p), Auth: j.m.User},
		Addresses: own,
		Now:       j.now,
		Items: map[string]string{
			"name": "Gapura", "host": j.l.Hostname, "domain": domainOf(j.l.Hostname), "location": "MDA", "phase": "during",
		},
		Mailboxes: b, Scripts: b, Duplicates: b,
	}
	env.Spam, env.SpamTested = j.spam()
	env.Virus = j.virus()
	return env, nil
}

// original is the recipient as the client said it: before aliases.
func (j *job) original(p *parcel) smtp.Address {
	r := j.m.Rcpts[p.rcpt]
	if r.Params.OriginalType == "rfc822" {
		if a, err := smtp.ParseMailbox(r.Params.OriginalAddress, smtp.UTF8); err == nil {
			return a
		}
	}
	return r.To.Address
}

func domainOf(host string) string {
	_, domain, ok := strings.Cut(host, ".")
	if !ok {
		return host
	}
	return domain
}

// certain is the score at which spamtest says that a message is spam for sure;
// the filter's default threshold is half of it.
const certain = 10

// spam returns what the spam filter found, in percent.
func (j *job) spam() (percent int, tested bool) {
	score, found := 0.0, false
	if v, ok := j.m.Facts.Get("spam.score"); ok {
		score, found = v.(float64)
	}
	if !found { // from the queue: facts are not kept, the field that was added is
		text, ok := j.m.header.Get("X-Spam-Score")
		if !ok {
			return 0, false
		}
		var err error
		if score, err = strconv.ParseFloat(strings.TrimSpace(text), 64); err != nil || math.IsNaN(score) {
			return 0, false
		}
	}
	return int(100 * min(1, max(0, score/certain))), true
}

// virus returns virustest's value (RFC 5235 section 2.3).
func (j *job) virus() int {
	switch j.m.Facts.String("antivirus.result") {
	case "clean":
		return 1
	case "infected":
		return 5
	}
	return 0
}

// plan adds an action of a script to the plan.
func (j *job) plan(ctx context.Context, p *parcel, a sieve.Action, home store) error {
	switch a := a.(type) {
	case sieve.Keep:
		home.flags, home.header = a.Flags, a.Header
		p.plan.add(home)
	case sieve.FileInto:
		s, err := j.folder(ctx, p, a)
		if err != nil {
			return err
		}
		p.plan.add(s)
	case sieve.Redirect:
		j.redirect(p, a, home)
	case sieve.Reject:
		p.plan.reject, p.plan.quiet = a.Reason, a.Extended
		if p.plan.reject == "" {
			p.plan.reject = "The recipient does not take this message"
		}
	case sieve.Vacation:
		if j.junk() { // whose sender is forged, mostly
			j.l.Log.Info("no vacation reply to junk", "id", j.m.ID, "user", p.target.User)
			return nil
		}
		p.plan.after = append(p.plan.after, send{
			action: "vacation", mail: &a.Reply, fcc: a.Fcc, once: remembered{memory("vacation", a.Key), j.now.Add(max(a.Period, time.Second))},
		})
	case sieve.Notify:
		p.plan.after = append(p.plan.after, send{
			action: "notify", mail: &a.Mail, fcc: a.Fcc,
			once: remembered{memory("notify", j.m.ID+" "+strconv.Itoa(len(p.plan.after))), j.now.Add(retried)},
		})
	}
	return nil
}

// add adds a copy in a folder, once (RFC 5228 section 2.10.3); flags come
// together.
func (x *plan) add(s store) {
	for i, have := range x.stores {
		if have.folder == s.folder && string(have.header) == string(s.header) {
			x.stores[i].flags = append(have.flags[:len(have.flags):len(have.flags)], s.flags...)
			return
		}
	}
	x.stores = append(x.stores, s)
}

// toInbox puts all copies into INBOX.
func (x *plan) toInbox() {
	stores := x.stores
	x.stores = nil
	for _, s := range stores {
		s.folder, s.create = mailbox.Inbox, false
		x.add(s)
	}
}

// folder finds where fileinto means. A folder that is not there, and is not to
// be made, is INBOX: no mail is lost by a misspelt name.
func (j *job) folder(ctx context.Context, p *parcel, a sieve.FileInto) (store, error) {
	s := store{flags: a.Flags, header: a.Header}
	role := mailbox.RoleOf(a.SpecialUse)
	if role != mailbox.RoleNone {
		f, err := p.user.WithRole(ctx, role)
		if err == nil {
			s.folder = f.Name
			return s, nil
		}
		if !errors.Is(err, mailbox.ErrNoFolder) {
			return s, err
		}
	}
	name, err := mailbox.CleanName(a.Mailbox)
	if err != nil {
		s.folder = mailbox.Inbox
		return s, nil
	}
	s.folder = name
	switch _, err := p.user.Folder(ctx, name); {
	case err == nil:
		return s, nil
	case !errors.Is(err, mailbox.ErrNoFolder):
		return s, err
	case a.Create && role != mailbox.RoleNone:
		_, err := p.user.Create(ctx, name, role)
		if noFolder(err) { // by now another has made it; else the mail goes to INBOX
			err = nil
		}
		s.create = true
		return s, err
	case a.Create:
		s.create = true
		return s, nil
	}
	j.l.Log.Info("a user's script files into a folder that is not there; INBOX has it", "id", j.m.ID, "user", p.target.User, "folder", name)
	s.folder = mailbox.Inbox
	return s, nil
}
