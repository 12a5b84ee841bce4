package pipeline

import (
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/body"
	"github.com/gapura-mail/gapura/gateway/crew"
)

// DefaultTimeout is a filter's timeout where none is set.
const DefaultTimeout = 10 * time.Second

// maxOverdue is how many overdue calls a filter may have before it is passed
// over until they return: each of them holds a message.
const maxOverdue = 4

// Step is a filter and the terms on which it is asked.
type Step struct {
	Filter gateway.Filter
	// Timeout counts from the call at the early stages, and from the end of
	// the body for body filters; the time for which a filter waits until those
	// before it have concluded does not count. 0: DefaultTimeout.
	Timeout time.Duration
	// Defer is what happens when the filter fails or is overdue: true, the
	// client is told to try again; false, the message goes on without its
	// facts.
	Defer bool
	// Mail is which mail the filter is asked about; 0: all.
	Mail Mail
}

// Mail is a set of kinds of mail.
type Mail uint8

const (
	// Inbound is what strangers send.
	Inbound Mail = 1 << iota
	// Submission is what our own users and machines send.
	Submission
)

// mailOf tells which kind of mail comes in a session; who comes to a listener
// for submission will have to log in.
func mailOf(s *gateway.Session) Mail {
	if s != nil && (s.Submitted() || s.Listener == "submission" || s.Listener == "submissions") {
		return Submission
	}
	return Inbound
}

// Options of a Pipeline.
type Options struct {
	Steps  []Step
	Policy gateway.Filter // asked last at every stage; nil: everything is accepted
	Parts  body.Options   // where decoded parts are kept
	Walk   bool           // the policy reads facts of the MIME walk
	Log    *slog.Logger
}

// Pipeline is the configured filters, in order, and the policy. It serves any
// number of sessions at once.
type Pipeline struct {
	steps  []*step
	policy *step // nil: none; without a goroutine or timeout of its own
	parts  body.Options
	walk   bool
	log    *slog.Logger
	deep   bool // the policy has rules: evaluating them takes stack
	crew   crew.Crew
	fields int // facts that the filters may return about a transaction
}

// step is a Step with what is known of it.
type step struct {
	gateway.Filter
	index   int                // place in the configured order
	body    gateway.BodyFilter // nil: an early filter only
	stages  [gateway.StageSubmission + 1]bool
	timeout time.Duration
	onError onError
	mail    Mail
	overdue atomic.Int32 // calls given up that have not returned
	elapsed prometheus.Observer
}

type onError bool // true: defer

// StepError is a step that cannot be, by its index in Options.Steps.
type StepError struct {
	Index int
	msg   string
}

// Error implements error.
func (e *StepError) Error() string { return e.msg }

// New returns a pipeline. It fails with a StepError where a filter must follow another that is
// not listed before it.
func New(opt Options) (*Pipeline, error) {
	p := &Pipeline{parts: opt.Parts, walk: opt.Walk, log: opt.Log, fields: ownFields}
	if opt.Policy != nil {
		p.policy = newStep(0, Step{Filter: opt.Policy}, gateway.Stages)
		p.deep = slices.Contains(p.policy.stages[:], true)
	}
	seen := map[string]int{}
	for i, s := range opt.Steps {
		name := s.Filter.Name()
		if _, twice := seen[name]; twice {
			return nil, &StepError{i, fmt.Sprintf("filter %q is listed twice", name)}
		}
		seen[name] = i
		p.steps = append(p.steps, newStep(i, s, []gateway.Stage{gateway.StageConnect, gateway.StageHelo, gateway.StageMail, gateway.StageRcpt}))
		p.fields += len(s.Filter.Fields())
	}
	for i, s := range opt.Steps {
		o, ok := s.Filter.(gateway.Ordered)
		if !ok {
			continue
		}
		for _, before := range o.After() {
			if j, listed := seen[before]; listed && j > i {
				return nil, &StepError{i, fmt.Sprintf("filter %q must be listed after %q, whose facts it reads", s.Filter.Name(), before)}
			}
		}
	}
	return p, nil
}

// ownFields are the facts that the pipeline itself adds.
const ownFields = 5

// newStep returns a step whose filter is asked at stages if it does not name
// its own.
func newStep(i int, s Step, stages []gateway.Stage) *step {
	st := &step{index: i, Filter: s.Filter, timeout: s.Timeout, onError: onError(s.Defer), elapsed: elapsed.WithLabelValues(s.Filter.Name())}
	if st.mail = s.Mail; st.mail == 0 {
		st.mail = Inbound | Submission
	}
	if st.timeout <= 0 {
		st.timeout = DefaultTimeout
	}
	st.body, _ = s.Filter.(gateway.BodyFilter)
	if f, ok := s.Filter.(gateway.Staged); ok {
		stages = f.Stages()
	}
	for _, at := range stages {
		if int(at) < len(st.stages) {
			st.stages[at] = true
		}
	}
	return st
}
