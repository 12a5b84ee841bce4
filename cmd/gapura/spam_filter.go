package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/filters/spam"
	"github.com/gapura-mail/gapura/filters/spam/learned"
	"github.com/gapura-mail/gapura/filters/spam/model"
	"github.com/gapura-mail/gapura/filters/spam/rule"
	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// spamState is what of the spam filter outlives a reload: what was learned,
// and the base model as long as its file has not changed.
type spamState struct {
	metrics *spam.Metrics
	counts  *learned.Metrics
	explain bool // for a person who asks
	base    *model.Model
	from    modelFile
	store   *learned.Store // nil: nobody has configured the filter yet
	used    *model.Model   // by store
	opt     atomic.Pointer[spam.Options]
	rules   atomic.Pointer[rule.Set]
}

// modelFile is a version of a file.
type modelFile struct {
	path    string // "" : the model that is built in
	changed time.Time
	size    int64
}

// spamOptions returns the options of the filter; nil: it is not configured.
func spamOptions(cfg *config.Config) *spam.Options {
	for _, f := range cfg.Filters {
		if opt, ok := f.Options.(*spam.Options); ok {
			return opt
		}
	}
	return nil
}

// open opens what was learned, once there is somebody to learn.
func (s *spamState) open(ctx context.Context, cfg *config.Config, db *sqldb.DB, log *slog.Logger) (err error) {
	opt := spamOptions(cfg)
	if opt == nil || s.store != nil {
		return nil
	}
	s.store, err = learned.Open(ctx, opt.Learn.Options, learned.Deps{DB: db, Log: log, Metrics: s.counts, Keep: true})
	return err
}

// configure takes the options and the model of a generation that serves from
// now on.
func (s *spamState) configure(ctx context.Context, cfg *config.Config) error {
	opt := spamOptions(cfg)
	s.opt.Store(opt)
	if opt == nil || s.store == nil {
		return nil
	}
	s.store.Reconfigure(opt.Learn.Options)
	if s.used == s.base {
		return nil
	}
	s.used = s.base
	return s.store.Use(ctx, s.base)
}

// sent remembers whom a user has written to.
func (s *spamState) sent(user string, to []smtp.Address, messageID string) {
	if opt := s.opt.Load(); opt == nil || s.store == nil || !opt.Learn.Sent {
		return
	}
	m := learned.Sent{User: user, MessageID: messageID}
	for _, a := range to {
		m.To = append(m.To, strings.ToLower(a.String()))
	}
	s.store.Sent(m)
}

// close writes what was learned.
func (s *spamState) close() error {
	if s.store == nil {
		return nil
	}
	return s.store.Close()
}

// openBase returns the base model; reloads share one that has not changed.
func (s *spamState) openBase(path string) (*model.Model, error) {
	from := modelFile{path: path}
	if path != "" {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		from.changed, from.size = info.ModTime(), info.Size()
	}
	if s.base != nil && s.from == from {
		return s.base, nil
	}
	var m *model.Model
	var err error
	if path == "" {
		m, err = spam.Shipped()
	} else {
		m, err = spam.ReadModel(path)
	}
	if err == nil {
		s.base, s.from = m, from
	}
	return m, err
}

// openSpam makes the spam filter.
func (s *server) openSpam(opt spam.Options, cfg *config.Config, r dns.Resolver) (gateway.Filter, error) {
	if opt.Model != "" {
		opt.Model = cfg.Path(opt.Model)
	}
	base, err := s.spam.openBase(opt.Model)
	if err != nil {
		return nil, err
	}
	rules, err := loadRules(opt.Rules, cfg)
	if err != nil {
		return nil, err
	}
	s.spam.rules.Store(rules)
	deps := spam.Deps{Model: base, Rules: rules, Metrics: s.spam.metrics, Explain: s.spam.explain, Resolver: r, Own: ownDomains(cfg)}
	if s.spam.store != nil {
		deps.Learned, deps.User = s.spam.store, s.spamUser(cfg)
	}
	if s.spam.explain && s.spam.store != nil {
		deps.Learned = unseen{s.spam.store}
	}
	return spam.New(opt, deps)
}

// ownDomains are those whose mail comes here.
func ownDomains(cfg *config.Config) (names []string) {
	for _, d := range cfg.Domains {
		names = append(names, d.Name)
	}
	return append(names, cfg.Hostname)
}

// loadRules loads the shipped rules, and the files of the configuration.
func loadRules(files []string, cfg *config.Config) (*rule.Set, error) {
	fields, err := policyFields()
	if err != nil {
		return nil, err
	}
	paths := make([]string, len(files))
	for i, f := range files {
		paths[i] = cfg.Path(f)
	}
	return rule.Load(paths, fields)
}

// spamUser tells whose lessons count for a recipient: those of the only user
// to whom an address of ours leads, else the address's own.
func (s *server) spamUser(cfg *config.Config) func(ctx context.Context, to smtp.ForwardPath) string {
	accounts := newLocalAccounts(s.accounts)
	separators := cfg.Accounts.Separator
	if separators == "" {
		separators = "+"
	}
	local := cfg.Local()
	return func(ctx context.Context, to smtp.ForwardPath) string {
		if len(local) > 0 {
			if list, err := accounts.Resolve(ctx, to.Address); err == nil && len(list) == 1 && list[0].User != "" {
				return list[0].User
			}
		}
		plain := to.Address
		if i := strings.IndexAny(plain.Local, separators); i > 0 {
			plain.Local = plain.Local[:i]
		}
		return strings.ToLower(plain.String())
	}
}

// spamLearner learns from what users move into Junk, and out of it.
type spamLearner struct{ s *server }

// learnTime bounds how long one lesson waits for the database.
const learnTime = 20 * time.Second

// Learn implements mailbox.Learner.
func (l spamLearner) Learn(ctx context.Context, user string, junk, uploaded bool, open func() (io.ReadCloser, error)) {
	opt, rules, store := l.s.spam.opt.Load(), l.s.spam.rules.Load(), l.s.spam.store
	if opt == nil || rules == nil || store == nil || !opt.Learn.Moves {
		return
	}
	x := spamMessage{open: open}
	var buf bytes.Buffer
	raw, err := x.readLesson(&buf)
	hostname := l.s.gen.Load().cfg.Hostname
	// A program that moves by uploading has the message from here. Others bring a
	// mailbox from elsewhere, with a Junk that another filter has filled.
	if err == nil && uploaded && len(spam.AsArrived(raw, hostname)) == len(raw) {
		return
	}
	var lesson learned.Lesson
	if err == nil {
		lesson, err = newLesson(raw, hostname, rules)
	}
	if err == nil {
		lesson.User, lesson.Spam, lesson.Source = user, junk, learned.Move
		ctx, cancel := context.WithTimeout(ctx, learnTime)
		defer cancel()
		_, err = store.Learn(ctx, lesson)
	}
	if err != nil {
		l.s.log.Warn("spam: a move teaches nothing", "user", user, "error", err.Error())
	}
}

// newLesson reads a message that is to be learned.
func newLesson(raw []byte, hostname string, rules *rule.Set) (learned.Lesson, error) {
	r := &spamReader{v: model.NewVector(), rules: rules}
	arrived := spam.AsArrived(raw, hostname)
	if err := r.take(arrived); err != nil {
		return learned.Lesson{}, err
	}
	return learned.Lesson{Key: learned.KeyOf(arrived), Vector: r.v, Sender: spam.SenderOf(&r.m, raw, hostname), Clues: spam.CluesOf(raw, hostname)}, nil
}
