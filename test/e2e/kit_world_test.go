package e2e_test

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// world is the servers that tests share.
type world struct {
	dns    *nameServer
	clamd  *scanner
	dest   *mailboxes // Dovecot, dest.test, by LMTP
	second *mailboxes // Postfix B, second.test, by SMTP
}

// running are the shared servers' processes, for the end.
var running struct {
	sync.Mutex
	list []*process
}

func stopShared() {
	running.Lock()
	defer running.Unlock()
	for _, p := range running.list {
		p.stop()
	}
}

// shared starts each of the world's servers once.
var shared = sync.OnceValues(func() (*world, error) {
	var w world
	var wg sync.WaitGroup
	errs := make([]error, 4)
	wg.Go(func() {
		var err error
		if w.dns, err = startUnbound(sharedDir("unbound")); w.dns != nil {
			keep(w.dns.process)
		}
		errs[0] = err
	})
	wg.Go(func() {
		var err error
		if w.clamd, err = startClamd(sharedDir("clamd")); w.clamd != nil {
			keep(w.clamd.process)
		}
		errs[1] = err
	})
	wg.Go(func() {
		var err error
		if w.dest, err = startDovecot(sharedDir("dovecot"), 0); w.dest != nil && w.dest.process != nil {
			keep(w.dest.process)
		}
		errs[2] = err
	})
	wg.Go(func() {
		var err error
		if w.second, err = receivingPostfix(sharedDir("second")); w.second != nil && w.second.process != nil {
			keep(w.second.process)
		}
		errs[3] = err
	})
	wg.Wait()
	return &w, errors.Join(errs...)
})

func sharedDir(name string) string {
	dir := filepath.Join(scratch, name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		panic(err)
	}
	return dir
}

func keep(p *process) {
	running.Lock()
	defer running.Unlock()
	running.list = append(running.list, p)
}

// theWorld returns the shared servers; their logs are shown if t fails.
func theWorld(t testing.TB) *world {
	t.Helper()
	w, err := shared()
	if err != nil {
		missing(t, "%v", err)
	}
	for _, p := range []*process{w.dns.process, w.clamd.process, w.dest.process, w.second.process} {
		p.showOnFailure(t)
	}
	return w
}
