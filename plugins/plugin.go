package plugins

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/gapura-mail/gapura/gateway"
)

// ErrDown is what calls get at once while the plugin does not run.
var ErrDown = errors.New("not running")

const (
	probeEvery  = 15 * time.Second // between questions whether it is alive
	probeWithin = 5 * time.Second  // for the answer
	maxMessages = 1024             // messages that one plugin reads at the same time
)

// backoff is the pause before a restart: it doubles from first to most, and is
// forgotten after a run of at least most.
type backoff struct{ first, most time.Duration }

var defaultBackoff = backoff{time.Second, time.Minute}

// pause returns the wait after so many failures in a row, at random between
// half of it and all.
func (b backoff) pause(failures int) time.Duration {
	d := b.most
	if failures < 16 {
		d = min(d, b.first<<(failures-1))
	}
	return d/2 + rand.N(d/2+1)
}

// Plugin keeps one plugin's process running. Close ends it.
type Plugin struct {
	opt     Options
	log     *slog.Logger
	out     *output
	backoff backoff
	desc    *description

	calls    chan struct{} // one for each question under way
	messages chan struct{} // one for each message under way

	mu       sync.Mutex
	inst     *instance // nil while it is down
	why      error     // while it is down
	next     time.Time // of the next start, while it is down
	restarts int

	quit context.CancelFunc
	done chan struct{}
}

// Open starts the plugin and asks it for its fields. It fails when the plugin
// cannot be started, or declares what no plugin may.
func Open(ctx context.Context, opt Options, log *slog.Logger) (*Plugin, error) {
	return open(ctx, opt, log, defaultBackoff)
}

// OpenAny is Open for a plugin whose name may be left open: it then has the
// one that it gives itself.
func OpenAny(ctx context.Context, opt Options, log *slog.Logger) (*Plugin, error) {
	if log == nil {
		log = slog.Default()
	}
	if opt.Name == "" {
		name, err := nameOf(ctx, opt, log)
		if err != nil {
			return nil, err
		}
		opt.Name = name
	}
	return Open(ctx, opt, log)
}

// nameOf starts a plugin to ask for its name.
func nameOf(ctx context.Context, opt Options, log *slog.Logger) (string, error) {
	opt.Name = anyName
	if err := opt.validate(); err != nil {
		return "", err
	}
	inst, err := launch(ctx, opt.withDefaults(), newOutput(log))
	if err != nil {
		return "", fmt.Errorf("plugins: %s: %w", opt.Command[0], err)
	}
	defer inst.stop()
	return inst.desc.raw.GetName(), nil
}

// Probe starts a plugin, ends it and returns what it is; Status.Error says why
// it does not start.
func Probe(ctx context.Context, opt Options, log *slog.Logger) Status {
	p, err := Open(ctx, opt, log)
	if err != nil {
		return Status{Name: opt.Name, State: "down", Error: err.Error(), Verified: opt.SHA256 != "", Stages: []string{}}
	}
	defer p.Close()
	return p.Status()
}

func open(ctx context.Context, opt Options, log *slog.Logger, b backoff) (*Plugin, error) {
	if err := opt.Validate(); err != nil {
		return nil, err
	}
	if log == nil {
		log = slog.Default()
	}
	opt = opt.withDefaults()
	p := &Plugin{
		opt: opt, log: log.With("plugin", opt.Name), backoff: b,
		calls:    make(chan struct{}, opt.MaxConcurrent),
		messages: make(chan struct{}, maxMessages),
		done:     make(chan struct{}),
	}
	p.out = newOutput(p.log)
	inst, err := launch(ctx, opt, p.out)
	if err != nil {
		return nil, fmt.Errorf("plugins: %s: %w", opt.Name, err)
	}
	p.desc, p.inst = inst.desc, inst
	p.log.Info("plugin started", "version", inst.desc.version, "pid", inst.proc.ID(), "verified", opt.SHA256 != "")
	ctx, p.quit = context.WithCancel(context.Background())
	go p.supervise(ctx, inst)
	return p, nil
}

// Close ends the process and waits until nothing of it is left. Calls under way
// fail.
func (p *Plugin) Close() error {
	p.quit()
	<-p.done
	return nil
}

// supervise keeps an instance running until ctx ends.
func (p *Plugin) supervise(ctx context.Context, inst *instance) {
	defer close(p.done)
	failures := 0
	for inst != nil {
		why := watch(ctx, inst)
		if time.Since(inst.started) >= p.backoff.most {
			failures = 0
		}
		p.down(why)
		inst.stop()
		inst = p.restart(ctx, &failures, why)
	}
}

// watch waits until something is wrong with the instance and says what.
func watch(ctx context.Context, inst *instance) error {
	t := time.NewTicker(probeEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return errors.New("shut down")
		case <-inst.proc.done:
			return exitError(inst.proc.err)
		case why := <-inst.tripped:
			return errors.New(why)
		case <-t.C:
			if err := inst.alive(ctx, probeWithin); err != nil && ctx.Err() == nil {
				return fmt.Errorf("it does not answer: %w", err)
			}
		}
	}
}

func exitError(err error) error {
	if err == nil {
		return errors.New("it has ended")
	}
	return fmt.Errorf("it has ended: %w", err)
}

// restart tries until the plugin runs again; nil: ctx has ended.
func (p *Plugin) restart(ctx context.Context, failures *int, why error) *instance {
	for ctx.Err() == nil {
		*failures++
		pause := p.backoff.pause(*failures)
		p.wait(why, pause)
		p.log.Warn("plugin is down", "error", why, "restart_in", pause.Round(time.Millisecond).Seconds())
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			t.Stop()
			return nil
		case <-t.C:
		}
		inst, err := launch(ctx, p.opt, p.out)
		if err == nil && !p.desc.same(inst.desc) {
			inst.stop()
			err = errors.New("it declares other fields than before; reload the configuration")
		}
		if err == nil {
			p.up(inst)
			return inst
		}
		why = err
	}
	return nil
}

func (p *Plugin) up(inst *instance) {
	p.mu.Lock()
	p.inst, p.why = inst, nil
	p.restarts++
	p.mu.Unlock()
	p.log.Info("plugin started again", "version", inst.desc.version, "pid", inst.proc.ID())
}

func (p *Plugin) down(why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inst, p.why, p.next = nil, why, time.Time{}
}

func (p *Plugin) wait(why error, pause time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.why, p.next = why, time.Now().Add(pause)
}

// running returns the instance, or why there is none.
func (p *Plugin) running() (*instance, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.inst == nil {
		return nil, fmt.Errorf("%w: %w", ErrDown, p.why)
	}
	return p.inst, nil
}

// Status is a plugin's state for people and monitoring.
type Status struct {
	Name    string    `json:"name"`
	Version string    `json:"version"`
	State   string    `json:"state"` // running or down
	PID     string    `json:"pid,omitempty"`
	Error   string    `json:"error,omitempty"`     // why it is down
	Next    time.Time `json:"next_start,omitzero"` // while it is down
	Started time.Time `json:"started,omitzero"`    // while it runs
	// StartTime is how long its last start took.
	StartTime time.Duration `json:"start_ns"`
	Restarts  int           `json:"restarts"` // since Open
	Verified  bool          `json:"verified"` // the program's hash is checked
	Body      bool          `json:"body"`     // it reads messages
	Stages    []string      `json:"stages"`   // at which it is asked before there is a message
	Fields    int           `json:"fields"`   // how many facts it may return
}

// Status returns the present state.
func (p *Plugin) Status() Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := Status{
		Name: p.opt.Name, Version: p.desc.version, State: "running", Restarts: p.restarts,
		Verified: p.opt.SHA256 != "", Body: p.desc.body, Fields: len(p.desc.fields), Stages: []string{},
	}
	for _, st := range p.desc.stages {
		s.Stages = append(s.Stages, st.String())
	}
	if p.inst == nil {
		s.State, s.Error, s.Next = "down", p.why.Error(), p.next
		return s
	}
	s.PID, s.Started, s.StartTime = p.inst.proc.ID(), p.inst.started, p.inst.took
	s.Version = p.inst.desc.version
	return s
}

// Filter returns the plugin as a filter: a gateway.BodyFilter when it reads
// messages.
func (p *Plugin) Filter() gateway.Filter {
	if p.desc.body {
		return &bodyFilter{filter{p}}
	}
	return &filter{p}
}
