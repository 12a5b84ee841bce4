package outbound

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/queue"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// Deps is what a Transport needs from its surroundings.
type Deps struct {
	// Hello is our name in EHLO; it and Names in a list of mail exchangers are
	// this gateway.
	Hello string
	Names []string
	// Addresses are this machine's; nil: those of its interfaces.
	Addresses []netip.Addr
	Resolver  dns.Resolver
	// State is what outlives the Transport: connections and what is known of
	// destinations.
	State *State
	// Policies and Reports are MTA-STS and TLS-RPT; nil: without.
	Policies Policies
	Reports  Reports
	Log      *slog.Logger // nil: slog.Default
	Metrics  *Metrics     // nil: none
	// Freed is called when a source may be used again that was on a block list:
	// mail that was put off with AllListed can go. nil: it comes by itself.
	Freed func(ctx context.Context)
	// Dial replaces net.Dialer, for tests; source is the zero Addr where the
	// system chooses it.
	Dial func(ctx context.Context, source netip.Addr, to netip.AddrPort) (net.Conn, error)
}

// State is what outlives a Transport of one configuration.
type State struct {
	pool   *pool
	badTLS recent // addresses with whom TLS failed
	dead   recent // addresses that did not answer
	tls    tls.ClientSessionCache
	sites  sites
	warmup warmup
	listed listed
	kept   refreshes
}

// NewState returns a State whose durable part is in db; nil: nothing is
// durable. It is closed with Close.
func NewState(ctx context.Context, db *sqldb.DB, m *Metrics, log *slog.Logger) (*State, error) {
	s := &State{pool: newPool(m), tls: tls.NewLRUClientSessionCache(tlsSessions), kept: refreshes{db}}
	s.warmup.log = log
	return s, s.warmup.open(ctx, db)
}

// tlsSessions are remembered for resumption.
const tlsSessions = 2048

// Close ends the connections at rest; those in use end with their message.
func (s *State) Close() {
	s.pool.close()
	s.warmup.close()
}

// Forget has addresses tried again that did not answer lately.
func (s *State) Forget() {
	s.dead.clear()
	s.badTLS.clear()
}

// Transport carries mail to other servers. It implements queue.Transport.
type Transport struct {
	opt     Options
	deps    Deps
	routing *routing
	own     *own
	plans   plans
	pools   *pools
	shapes  shapes
	answers []answer
	system  source // where there are no pools

	want4, want6 bool
	tlsRules     *tlsRules
	roots        *x509.CertPool
	base         *tls.Config
	unverified   *tls.Config

	stop   func() // ends what runs beside attempts
	mu     sync.Mutex
	closed bool
	busy   sync.WaitGroup
}

// New returns a Transport. It takes over the limits of deps.State.
func New(opt Options, deps Deps) (*Transport, error) {
	opt = opt.withDefaults()
	if err := opt.check(); err != nil {
		return nil, fmt.Errorf("outbound: %w", err)
	}
	deps.Log = cmp.Or(deps.Log, slog.Default())
	t := &Transport{opt: opt, deps: deps}
	t.plans.m = map[planKey]*plan{}
	var names []string
	for _, n := range append(slices.Clone(deps.Names), deps.Hello) {
		names = append(names, strings.ToLower(n))
	}
	if deps.Addresses == nil {
		deps.Addresses = machineAddresses()
	}
	t.own = newOwn(names, deps.Addresses, opt.Own, opt.Allow)
	t.want4, t.want6 = slices.Contains(opt.Families, "ipv4"), slices.Contains(opt.Families, "ipv6")
	t.base = &tls.Config{MinVersion: tls.VersionTLS12, ClientSessionCache: deps.State.tls}
	t.unverified = t.base.Clone()
	t.unverified.InsecureSkipVerify = true
	var err error
	if t.roots, err = Roots(opt.CA); err != nil {
		return nil, err
	}
	if t.tlsRules, err = newTLSRules(opt); err != nil {
		return nil, fmt.Errorf("outbound: %w", err)
	}
	if t.routing, err = newRouting(opt); err != nil {
		return nil, fmt.Errorf("outbound: %w", err)
	}
	t.routing.use(t.roots, deps.State.kept, t.deps.Log)
	if err := t.shape(); err != nil {
		return nil, fmt.Errorf("outbound: %w", err)
	}
	t.system = source{hello: deps.Hello}
	if t.pools, err = newPools(opt.Pools, deps.Hello); err != nil {
		return nil, fmt.Errorf("outbound: %w", err)
	}
	deps.State.pool.setLimits(opt.Connections, opt.Idle, opt.IdleTime)
	ctx, cancel := context.WithCancel(context.Background())
	t.stop = cancel
	if len(opt.Listings.Zones) > 0 {
		t.busy.Go(func() { t.watch(ctx) })
	}
	return t, nil
}

// shape reads shapes and rules.
func (t *Transport) shape() error {
	answers, builtIn, err := readRules(t.opt.Rules)
	if err != nil {
		return err
	}
	t.answers = answers
	t.shapes.rest = Shape{Connections: t.opt.PerDestination, Messages: t.opt.Messages, Chunking: t.opt.Chunking}
	if err := t.shapes.add(t.opt.Shapes); err != nil {
		return err
	}
	return t.shapes.add(builtIn)
}

// Close waits for attempts under way; none may be begun any more.
func (t *Transport) Close() {
	t.stop()
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.busy.Wait()
}

// begin counts an attempt, unless the Transport is closed.
func (t *Transport) begin() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	t.busy.Add(1)
	return true
}

// Deliver implements queue.Transport.
func (t *Transport) Deliver(ctx context.Context, j *queue.Job) []queue.Outcome {
	d := delivery{t: t, j: j, out: make([]queue.Outcome, len(j.Rcpts))}
	if !t.begin() {
		d.all(failReload)
		return d.out
	}
	defer t.busy.Done()
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, t.opt.Timeout)
	defer cancel()
	d.run(ctx)
	t.deps.Metrics.took(time.Since(start))
	return d.out
}

// recentKey is an address, and where it was tried from; the zero Addr: it does
// not matter.
type recentKey struct {
	to   netip.AddrPort
	from netip.Addr
}

// recent remembers addresses for a while.
type recent struct {
	mu sync.Mutex
	m  map[recentKey]memory
}

type memory struct {
	until time.Time
	why   *failure
}

// maxRecent bounds the addresses that are remembered.
const maxRecent = 10_000

func (r *recent) clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.m = nil
}

func (r *recent) add(a recentKey, d time.Duration, why *failure) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if r.m == nil {
		r.m = map[recentKey]memory{}
	}
	if len(r.m) >= maxRecent {
		for old, x := range r.m { // one at least, and what is over
			if delete(r.m, old); x.until.After(now) {
				break
			}
		}
	}
	r.m[a] = memory{now.Add(d), why}
}

// get returns what is remembered, and for how long still.
func (r *recent) get(a recentKey) (*failure, time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	x, ok := r.m[a]
	if !ok {
		return nil, 0
	}
	left := time.Until(x.until)
	if left <= 0 {
		delete(r.m, a)
		return nil, 0
	}
	return x.why, left
}
