package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/filters/spam/learned"
	"github.com/gapura-mail/gapura/filters/spam/rule"
	"github.com/gapura-mail/gapura/gateway/account"
	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/quarantine"
	"github.com/gapura-mail/gapura/gateway/queue"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// quarantineCmd is `gapura quarantine`.
type quarantineCmd struct {
	List    quarantineList    `cmd:"" help:"List mail that is kept apart."`
	Show    quarantineShow    `cmd:"" help:"Show why a message is kept, its envelope and header, or the message itself."`
	Release quarantineRelease `cmd:"" help:"Deliver mail to its recipients' INBOX; the spam filter learns that it is ham."`
	Remove  quarantineRemove  `cmd:"" help:"Drop mail; nobody is told, and nothing is learned."`
}

// quarantineKeys choose mail; all that are given must fit.
type quarantineKeys struct {
	IDs    []key `arg:"" optional:"" name:"id" help:"Ids of messages."`
	To     key   `placeholder:"ADDRESS" help:"To this recipient."`
	From   key   `placeholder:"ADDRESS" help:"With this envelope sender; <> for notifications."`
	Domain key   `placeholder:"NAME" help:"To recipients of this domain."`
	Rule   key   `placeholder:"TEXT" help:"Kept by a rule with this in its name or file."`
	Reason key   `placeholder:"TEXT" help:"Kept for a refusal with this text."`
	Since  key   `placeholder:"TIME" help:"Kept since then: 2026-11-20, 2026-11-20T08:00:00Z, or 36h ago."`
	Until  key   `placeholder:"TIME" help:"Kept until then."`
	All    bool  `help:"All that is there."`
}

// filters returns what is chosen, one filter for each id.
func (k *quarantineKeys) filters() (list []queue.Filter, err error) {
	f := queue.Filter{All: k.All, To: string(k.To), From: string(k.From), Domain: string(k.Domain), Rule: string(k.Rule), Reason: string(k.Reason)}
	for _, x := range []struct {
		flag, value string
		at          *time.Time
	}{{"--since", string(k.Since), &f.Since}, {"--until", string(k.Until), &f.Until}} {
		if x.value == "" {
			continue
		}
		if *x.at, err = pastTime(x.value, time.Now()); err != nil {
			return nil, usageError{fmt.Errorf("%s: %w", x.flag, err)}
		}
	}
	if len(k.IDs) == 0 {
		return []queue.Filter{f}, nil
	}
	for _, id := range k.IDs {
		f.ID = string(id)
		list = append(list, f)
	}
	return list, nil
}

type quarantineRelease struct {
	quarantineKeys
	NoLearn bool `help:"Teach the spam filter nothing."`
}

// Help is printed below the flags.
func (*quarantineRelease) Help() string {
	return `Delivers mail as the route of its recipient says, by way of the queue: a backend
that is away gets it later. A mailbox that is kept here has it in INBOX, whatever marks
it and whatever the user's script says. The spam filter, if there is one, learns for
the recipient that it is ham. Without a running gateway it is delivered when one
starts. Prints how many there were, each recipient's copy by itself.

Examples:
  gapura quarantine release 01K2ZB0C9WVMD3F4S4Q3S5E7TN
  gapura quarantine release 01K2ZB0C9WVMD3F4S4Q3S5E7TN --to ana@example.org --no-learn
  gapura quarantine release --from news@example.net --since 48h`
}

// Run implements the command.
func (c *quarantineRelease) Run(a *app) error {
	return a.actOnQuarantine(&c.quarantineKeys, quarantine.Change{Action: queue.Release, NoLearn: c.NoLearn})
}

type quarantineRemove struct{ quarantineKeys }

// Help is printed below the flags.
func (*quarantineRemove) Help() string {
	return `Drops mail for good; neither sender nor recipient is told, and the spam filter
learns nothing. Prints how many there were, each recipient's copy by itself.

Examples:
  gapura quarantine remove 01K2ZB0C9WVMD3F4S4Q3S5E7TN
  gapura quarantine remove --rule "beyond doubt" --until 2026-11-01`
}

// Run implements the command.
func (c *quarantineRemove) Run(a *app) error {
	return a.actOnQuarantine(&c.quarantineKeys, quarantine.Change{Action: queue.Remove})
}

// actOnQuarantine does something to mail: by the running gateway, or on the
// database when there is none.
func (a *app) actOnQuarantine(k *quarantineKeys, c quarantine.Change) error {
	filters, err := k.filters()
	if err != nil {
		return err
	}
	p := a.progress(string(c.Action))
	total := 0
	for _, f := range filters {
		c.Filter = f
		n, err := a.changeQuarantine(c, func(n int) { p.tell(total + n) })
		total += n
		if errors.Is(err, queue.ErrNoFilter) {
			return usageError{errors.New("which messages? give ids or a key such as --to, or --all")}
		}
		if err != nil {
			return err
		}
	}
	p.end()
	if err := a.print(map[string]int{"messages": total}, func(w io.Writer) { fmt.Fprintln(w, total) }); err != nil {
		return err
	}
	if total == 0 {
		return errors.New("no mail in quarantine fits; `gapura quarantine list` tells what is there")
	}
	return nil
}

func (a *app) changeQuarantine(c quarantine.Change, progress func(int)) (int, error) {
	if c.Filter == (queue.Filter{}) {
		return 0, queue.ErrNoFilter
	}
	cfg, err := config.LoadWithoutSecrets(a.config)
	if err != nil {
		return 0, err
	}
	n, err := askGateway(a.ctx, cfg, "/quarantine", c, progress)
	if !errors.Is(err, errNoGateway) {
		return n, err
	}
	err = a.withoutGateway(cfg, func(db *sqldb.DB, blobs blob.Store) error {
		var teach quarantine.Learner
		if c.Action == queue.Release && !c.NoLearn {
			l, end, err := a.openLessons(cfg, db)
			if err != nil {
				return err
			}
			defer end()
			if l != nil {
				teach = l
			}
		}
		change, err := c.Queue(blobs, teach)
		if err == nil {
			n, err = queue.ActOffline(a.ctx, db, cfg.Queue, change, progress)
		}
		return err
	})
	return n, err
}

// actOnQuarantine is the running gateway's end of it.
func (s *server) actOnQuarantine(w http.ResponseWriter, r *http.Request) {
	var c quarantine.Change
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)).Decode(&c); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var teach quarantine.Learner
	if opt, rules, store := s.spam.opt.Load(), s.spam.rules.Load(), s.spam.store; opt != nil && rules != nil && store != nil {
		cfg := s.gen.Load().cfg
		teach = lessons{store: store, rules: rules, hostname: cfg.Hostname, user: s.spamUser(cfg), log: s.log}
	}
	change, err := c.Queue(s.stores.blobs, teach)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	n := answerActing(w, func(progress func(int)) (int, error) { return s.stores.queue.Act(r.Context(), change, progress) })
	s.log.Info("quarantine "+string(c.Action), "filter", c.Filter, "messages", n, "learn", change.Before != nil)
}

// lessons teach the spam filter what is released from quarantine.
type lessons struct {
	store    *learned.Store
	rules    *rule.Set
	hostname string
	user     func(ctx context.Context, to smtp.ForwardPath) string
	log      *slog.Logger
}

// Wanted implements quarantine.Learner.
func (l lessons) Wanted(ctx context.Context, id string, to smtp.Address, open func() (io.ReadCloser, error)) {
	x := spamMessage{open: open}
	var buf bytes.Buffer
	raw, err := x.readLesson(&buf)
	var lesson learned.Lesson
	if err == nil {
		lesson, err = newLesson(raw, l.hostname, l.rules)
	}
	if err == nil {
		lesson.User, lesson.Source = l.user(ctx, smtp.ForwardPath{Address: to}), learned.Quarantine
		ctx, cancel := context.WithTimeout(ctx, learnTime)
		defer cancel()
		_, err = l.store.Learn(ctx, lesson)
	}
	if err != nil {
		l.log.Warn("spam: a release teaches nothing", "id", id, "to", to.Path(), "error", err.Error())
	}
}

// openLessons opens what was learned where no gateway runs; nil: no spam filter
// is configured.
func (a *app) openLessons(cfg *config.Config, db *sqldb.DB) (l *lessons, end func(), err error) {
	end = func() {}
	opt := spamOptions(cfg)
	if opt == nil {
		return nil, end, nil
	}
	l = &lessons{hostname: cfg.Hostname, log: a.warnings()}
	if l.rules, err = loadRules(opt.Rules, cfg); err != nil {
		return nil, end, err
	}
	deps := learned.Deps{DB: db}
	if deps.Base, _, err = baseOf(*opt, cfg); err != nil {
		return nil, end, err
	}
	accounts, err := account.Open(a.ctx, cfg.Accounts, account.Deps{DB: db})
	if err != nil {
		return nil, end, err
	}
	if l.store, err = learned.Open(a.ctx, opt.Learn.Options, deps); err != nil {
		accounts.Close()
		return nil, end, err
	}
	l.user = (&server{accounts: accounts}).spamUser(cfg)
	return l, func() {
		if err := l.store.Close(); err != nil {
			l.log.Warn("spam: what was released teaches nothing", "error", err.Error())
		}
		accounts.Close()
	}, nil
}
