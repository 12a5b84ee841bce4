package antivirus

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Back-off of a daemon that failed: it doubles up to the maximum. The maximum
// is short, since nothing else is asked meanwhile where there is one daemon.
const (
	firstBackOff = time.Second
	maxBackOff   = 15 * time.Second
)

// triesPerDaemon is how often one message tries the same daemon: the second
// time after a connection that broke on the way, as clamd's own time-outs do.
const triesPerDaemon = 2

// daemon is one clamd and what is known of it.
type daemon struct {
	places []place // where it may be

	mu       sync.Mutex
	place              // where it is
	busy     int       // streams open
	failures int       // in a row
	suspect  bool      // is asked for its version before it gets a stream
	retry    time.Time // not asked before
	noFile   time.Time // given no file before
}

// place is where a daemon listens.
type place struct{ network, addr string }

// newPlace reads an address: host:port, or the path of a unix socket.
func newPlace(addr string) place {
	if strings.Contains(addr, "/") {
		return place{"unix", strings.TrimPrefix(addr, "unix:")}
	}
	return place{"tcp", addr}
}

// newDaemon returns the daemon at an address. Where the local one is, is seen
// when it is asked first.
func newDaemon(addr string) *daemon {
	if addr != local {
		p := newPlace(addr)
		return &daemon{places: []place{p}, place: p}
	}
	d := &daemon{suspect: true}
	for _, addr := range usual {
		d.places = append(d.places, newPlace(addr))
	}
	d.place = d.places[len(d.places)-1]
	return d
}

// at returns where the daemon is.
func (d *daemon) at() place {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.place
}

// find has the daemon prove itself at one of its places, which then is where
// it is.
func (d *daemon) find(ctx context.Context) error {
	var all error
	for _, p := range d.places {
		_, err := version(ctx, p.network, p.addr)
		if err == nil {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.place = p
			return nil
		}
		switch {
		case all == nil, errors.Is(all, fs.ErrNotExist):
			all = err
		case !errors.Is(err, fs.ErrNotExist):
			all = fmt.Errorf("%w; %w", all, err)
		}
	}
	return all
}

// pool is the daemons and the bound on streams to all of them.
type pool struct {
	daemons []*daemon
	slots   chan struct{}
	// early are messages that are streamed while they arrive, half of all
	// streams at most: clients that stop in the middle do not hold them all.
	early chan struct{}
	// files are the octets of what is given to daemons as files, which are in
	// memory.
	files atomic.Int64
}

// maxFiles is how much may be in files at a time; beyond it streams are sent.
const maxFiles = 64 << 20

// roomForFile counts a file that is scanned next, if it may be one.
func (p *pool) roomForFile(size int64) bool {
	if size > maxFile {
		return false
	}
	if p.files.Add(size) <= maxFiles {
		return true
	}
	p.files.Add(-size)
	return false
}

// errDown says that no daemon may be asked now.
var errDown = errors.New("no clamd answers")

// scan asks the least busy of the daemons that seem well, then others. size is
// how long src is, or something above maxFile.
func (p *pool) scan(ctx context.Context, src source, size int64) (verdict, *daemon, error) {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return verdict{}, nil, context.Cause(ctx)
	}
	if p.roomForFile(size) {
		defer p.files.Add(-size)
	} else {
		size = maxFile + 1
	}
	tried := map[*daemon]int{}
	last := errDown
	for {
		d := p.pick(tried)
		if d == nil {
			return verdict{}, nil, last
		}
		tried[d]++
		v, err := d.scan(ctx, src, size)
		if err == nil {
			return v, d, nil
		}
		var cut *sourceError
		if errors.As(err, &cut) || ctx.Err() != nil {
			return verdict{}, d, err
		}
		last = fmt.Errorf("%s: %w", d.at().addr, err)
	}
}

// pick chooses the daemon to ask next; nil when there is none.
func (p *pool) pick(tried map[*daemon]int) *daemon {
	now := time.Now()
	var best *daemon
	var bestRank int
	for _, d := range p.daemons {
		n := tried[d]
		rank, ok := d.rank(now)
		if rank += n << 20; !ok || n == triesPerDaemon {
			continue
		}
		if best == nil || rank < bestRank {
			best, bestRank = d, rank
		}
	}
	return best
}

// rank orders daemons: the well ones before the suspect, the idle before the
// busy. ok is false while it is left alone.
func (d *daemon) rank(now time.Time) (rank int, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now.Before(d.retry) {
		return 0, false
	}
	if d.suspect {
		return 1<<10 + d.busy, true
	}
	return d.busy, true
}

// scan gives src to the daemon, which has to prove itself first if it is
// suspect, and keeps the score.
func (d *daemon) scan(ctx context.Context, src source, size int64) (verdict, error) {
	if d.begin() {
		if err := d.find(ctx); err != nil {
			d.end(score(ctx, err, failed))
			return verdict{}, err
		}
	}
	v, err, p := verdict{}, errNoFile, d.at()
	if size <= maxFile && d.takesFiles() {
		v, err = d.scanFile(ctx, p.addr, src)
	}
	if refused := errors.Is(err, errRefused); errors.Is(err, errNoFile) {
		if v, err = scan(ctx, p.network, p.addr, src); refused && err == nil {
			d.tookNone() // the file was at fault, not the daemon
		}
	}
	d.end(score(ctx, err, broke))
	return v, err
}

// outlook is what a stream says about its daemon.
type outlook uint8

const (
	well   outlook = iota
	same           // nothing: the message was at fault
	unsure         // given up: the client went, or the daemon hangs
	broke          // no verdict; once is nothing, again is a failure
	failed
)

func score(ctx context.Context, err error, otherwise outlook) outlook {
	var cut *sourceError
	var refused *net.OpError
	switch {
	case err == nil:
		return well
	case errors.As(err, &cut):
		return same
	case ctx.Err() != nil:
		return unsure
	case errors.As(err, &refused) && refused.Op == "dial":
		return failed
	}
	return otherwise
}

// begin counts a stream and tells whether the daemon is suspect.
func (d *daemon) begin() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.busy++
	return d.suspect
}

// end keeps the score.
func (d *daemon) end(o outlook) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.busy--
	switch {
	case o == well:
		d.failures, d.suspect, d.retry = 0, false, time.Time{}
	case o == unsure, o == broke && !d.suspect:
		d.suspect = true
	case o != same:
		d.suspect = true
		d.retry = time.Now().Add(min(firstBackOff<<min(d.failures, 10), maxBackOff))
		d.failures++
	}
}
