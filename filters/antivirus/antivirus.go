package antivirus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/netip"
	"strings"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/cores"
)

// Addresses are where daemons listen. In text they are separated by commas.
type Addresses []string

// UnmarshalText implements encoding.TextUnmarshaler.
func (a *Addresses) UnmarshalText(text []byte) error {
	*a = nil
	for s := range strings.SplitSeq(string(text), ",") {
		*a = append(*a, strings.TrimSpace(s))
	}
	return nil
}

// Options configure the filter.
type Options struct {
	// Where clamd listens: host:port or the path of its socket. Several,
	// separated by commas, share the work and stand in for each other. Through
	// its socket clamd gets what is no longer than 2 MiB as a file, which spares
	// it a copy; its MaxFileSize must not be less. The default, local, is the
	// first that answers of /run/clamav/clamd.ctl, /run/clamav/clamd.sock,
	// /var/run/clamav/clamd.sock, /run/clamd.scan/clamd.sock and 127.0.0.1:3310.
	Clamd Addresses `yaml:"clamd"`
	// How many streams are open at a time, to all daemons together; further
	// messages wait. 0 stands for 10 for each daemon, and for one on this
	// machine for 2 for each processor, within 4 and 10: more scans at a time
	// take each other's time. At most 1000.
	MaxConnections int `yaml:"max_connections"`
}

// local stands for the daemon of this machine wherever its packages have it:
// Debian's, Alpine's, FreeBSD's and Fedora's, or on clamd's usual port.
const local = "local"

var usual = [...]string{
	"/run/clamav/clamd.ctl", "/run/clamav/clamd.sock", "/var/run/clamav/clamd.sock",
	"/run/clamd.scan/clamd.sock", "127.0.0.1:3310",
}

const (
	defaultConnections = 10
	leastConnections   = 4 // of a daemon that shares our processors
	maxConnections     = 1000
	maxDaemons         = 16
)

// DefaultOptions returns the default of every option.
func DefaultOptions() Options { return Options{Clamd: Addresses{local}} }

// Validate checks the options.
func (o Options) Validate() error {
	if len(o.Clamd) > maxDaemons {
		return fmt.Errorf("antivirus: clamd: more than %d daemons", maxDaemons)
	}
	for _, a := range o.Clamd {
		if _, _, err := net.SplitHostPort(a); err != nil && !strings.Contains(a, "/") && a != local {
			return fmt.Errorf("antivirus: clamd: %q is not host:port, the path of a socket or local", a)
		}
	}
	if o.MaxConnections < 0 || o.MaxConnections > maxConnections {
		return fmt.Errorf("antivirus: max_connections: %d is not within 0 and %d", o.MaxConnections, maxConnections)
	}
	return nil
}

// Filter implements gateway.BodyFilter.
type Filter struct {
	gateway.BodyOnly
	pool *pool
}

var (
	_ gateway.BodyFilter = (*Filter)(nil)
	_ gateway.Staged     = (*Filter)(nil)
)

// New returns the filter. No daemon need run yet.
func New(opt Options) (*Filter, error) {
	if err := opt.Validate(); err != nil {
		return nil, err
	}
	if len(opt.Clamd) == 0 {
		opt.Clamd = DefaultOptions().Clamd
	}
	if opt.MaxConnections == 0 {
		for _, a := range opt.Clamd {
			opt.MaxConnections += connections(a, cores.All())
		}
	}
	p := &pool{slots: make(chan struct{}, opt.MaxConnections), early: make(chan struct{}, opt.MaxConnections/2)}
	for _, a := range opt.Clamd {
		p.daemons = append(p.daemons, newDaemon(a))
	}
	return &Filter{pool: p}, nil
}

// connections is how many streams a daemon gets by default from a machine of
// so many processors.
func connections(addr string, processors int) int {
	host, _, err := net.SplitHostPort(addr)
	ip, _ := netip.ParseAddr(host)
	if err == nil && host != "localhost" && !ip.IsLoopback() {
		return defaultConnections
	}
	return min(max(2*processors, leastConnections), defaultConnections)
}

// Name implements gateway.Filter.
func (f *Filter) Name() string { return "antivirus" }

// Fields implements gateway.Filter.
func (f *Filter) Fields() []gateway.Field {
	const at = gateway.StageMessage
	return []gateway.Field{
		{Name: "antivirus.result", Type: gateway.String, Stage: at, Doc: `What clamd says: "clean", "infected" or "too_large"; empty when it was not asked or gave no answer (antivirus.error).`},
		{Name: "antivirus.infected", Type: gateway.Bool, Stage: at, Doc: "Whether a virus was found."},
		{Name: "antivirus.virus", Type: gateway.String, Stage: at, Doc: "Name of the virus, printable US-ASCII."},
		{Name: "antivirus.part", Type: gateway.String, Stage: at, Doc: `MIME part that has the virus, as "2.1", or "2.1@reading" where only that reading shows it; empty where the message as it came has it.`},
		{Name: "antivirus.too_large", Type: gateway.Bool, Stage: at, Doc: "Whether the message, or a part of it, is longer than clamd's StreamMaxLength and nothing was found elsewhere: what it holds is not known."},
		{Name: "antivirus.daemon", Type: gateway.String, Stage: at, Doc: "Address of the clamd that gave the answer."},
	}
}

// eager is how much of a message must be there before it may get a connection
// while more arrives: clients that are slow from the start hold none.
const eager = 256 << 10

// finding is the worst of what was scanned.
type finding struct {
	verdict
	part   string
	daemon *daemon
}

// Read implements gateway.BodyFilter. Decoded parts are scanned as they come,
// the message when it is complete, and then what is left of its parts.
func (f *Filter) Read(ctx context.Context, _ *gateway.Transaction, m gateway.Message) (gateway.Reading, error) {
	ctx, cancel := context.WithCancel(ctx)
	type result struct {
		finding
		err error
	}
	raw, t := make(chan result, 1), newTurn()
	go func() {
		v, d, err := f.raw(ctx, m, t)
		if v.outcome == infected { // the parts do not matter any more
			cancel()
		}
		raw <- result{finding{verdict: v, daemon: d}, err}
	}()
	parts, err := f.parts(ctx, m, t)
	if parts.outcome == infected {
		cancel()
	}
	r := <-raw
	cancel()
	worst := worse(r.finding, parts)
	if worst.outcome != infected { // else an answer that is missing changes nothing
		if err := errors.Join(r.err, err); err != nil {
			return nil, fmt.Errorf("antivirus: %w", err)
		}
	}
	return worst, nil
}

// worse returns the worse of two findings.
func worse(a, b finding) finding {
	order := [...]int{0: 0, clean: 1, tooLarge: 2, infected: 3}
	if order[b.outcome] > order[a.outcome] {
		return b
	}
	return a
}

// raw scans the message as it came. What is sent while it arrives takes its
// turn before its end: clamd scans no sooner.
func (f *Filter) raw(ctx context.Context, m gateway.Message, t turn) (verdict, *daemon, error) {
	first := int64(eager)
	if f.pool.takesFiles() {
		first = maxFile
	}
	size, whole, err := arrived(m.Body(), first)
	if err == nil && !whole {
		select {
		case f.pool.early <- struct{}{}:
			defer func() { <-f.pool.early }()
			size = maxFile // at least
		default:
			size, whole, err = arrived(m.Body(), math.MaxInt64)
		}
	}
	if err != nil {
		return verdict{}, nil, &sourceError{err}
	}
	var h hold
	defer h.end()
	if whole { // before a stream is taken: whose turn it is may wait for one
		if err := h.take(ctx, t); err != nil {
			return verdict{}, nil, err
		}
	}
	return f.pool.scan(ctx, func(w io.Writer) error {
		if _, err := w.Write(m.Header().Raw()); err != nil {
			return err
		}
		if _, err := io.WriteString(w, "\r\n"); err != nil {
			return err
		}
		if err := copyAll(w, m.Body()); err != nil {
			return err
		}
		return h.take(ctx, t)
	}, int64(len(m.Header().Raw()))+2+size)
}

// arrived waits until n bytes, or all, are there, and tells how many there are
// and whether it is all.
func arrived(r io.ReadCloser, n int64) (size int64, whole bool, err error) {
	defer r.Close()
	c := counter{upTo: n}
	switch _, err = io.Copy(&c, r); {
	case errors.Is(err, errEnough):
		return c.n, false, nil
	case err != nil:
		return 0, false, err
	}
	return c.n, true, nil
}

// counter counts octets up to a number.
type counter struct{ n, upTo int64 }

var errEnough = errors.New("enough")

// Write implements io.Writer.
func (c *counter) Write(p []byte) (int, error) {
	if c.n += int64(len(p)); c.n >= c.upTo {
		return len(p), errEnough
	}
	return len(p), nil
}

func copyAll(w io.Writer, r io.ReadCloser) error {
	defer r.Close()
	_, err := io.Copy(w, r)
	return err
}

// parts scans the decoded files: clamd does not see all of them in the message
// as it came, as within an encoded message or below many multiparts. What it
// did see costs little, since it knows the hash of what it found clean.
func (f *Filter) parts(ctx context.Context, m gateway.Message, t turn) (worst finding, err error) {
	for p, err := range m.Parts(ctx) {
		if err != nil {
			return worst, fmt.Errorf("parts: %w", err)
		}
		if p.Reading == "" && shown(p) {
			continue
		}
		// Complete, so that a slow client holds no connection.
		at, size, err := p.Content.ReaderAt(ctx)
		if err != nil {
			return worst, &sourceError{fmt.Errorf("part %s: %w", p.Path, err)}
		}
		if size == 0 {
			continue
		}
		v, d, err := f.content(ctx, at, size, t)
		if err != nil {
			return worst, fmt.Errorf("part %s: %w", p.Path, err)
		}
		worst = worse(worst, finding{v, p.Path, d})
		if worst.outcome == infected {
			break
		}
	}
	return worst, nil
}

// content scans the size octets of a part.
func (f *Filter) content(ctx context.Context, at io.ReaderAt, size int64, t turn) (verdict, *daemon, error) {
	var h hold
	defer h.end()
	if err := h.take(ctx, t); err != nil {
		return verdict{}, nil, err
	}
	return f.pool.scan(ctx, func(w io.Writer) error {
		_, err := io.Copy(w, io.NewSectionReader(at, 0, size))
		return err
	}, size)
}

// shown tells whether a part is text that is shown with the message: it is
// scanned with the rest.
func shown(p *gateway.Part) bool {
	return (p.Type == "text/plain" || p.Type == "text/html") && p.Filename == "" && p.Disposition != "attachment"
}

// Conclude implements gateway.Reading.
func (r finding) Conclude(context.Context, *gateway.Transaction) (gateway.Verdict, error) {
	names := [...]string{0: "", clean: "clean", infected: "infected", tooLarge: "too_large"}
	facts := []gateway.Fact{
		{Name: "antivirus.result", Value: names[r.outcome]},
		{Name: "antivirus.infected", Value: r.outcome == infected},
		{Name: "antivirus.virus", Value: r.virus},
		{Name: "antivirus.part", Value: r.part},
		{Name: "antivirus.too_large", Value: r.outcome == tooLarge},
	}
	if r.daemon != nil {
		facts = append(facts, gateway.Fact{Name: "antivirus.daemon", Value: r.daemon.at().addr})
	}
	return gateway.Verdict{Facts: facts}, nil
}
