package main

import (
	"os"
	"time"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/filters/spam"
	"github.com/gapura-mail/gapura/filters/spam/model"
	"github.com/gapura-mail/gapura/gateway"
)

// spamState is what of the spam filter outlives a reload: the base model, as
// long as its file has not changed.
type spamState struct {
	metrics *spam.Metrics
	explain bool // for a person who asks
	base    *model.Model
	from    modelFile
}

// modelFile is a version of a file.
type modelFile struct {
	path    string // "" : the model that is built in
	changed time.Time
	size    int64
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
func (s *server) openSpam(opt spam.Options, cfg *config.Config) (gateway.Filter, error) {
	if opt.Model != "" {
		opt.Model = cfg.Path(opt.Model)
	}
	base, err := s.spam.openBase(opt.Model)
	if err != nil {
		return nil, err
	}
	return spam.New(opt, spam.Deps{Model: base, Metrics: s.spam.metrics, Explain: s.spam.explain})
}
