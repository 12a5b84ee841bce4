package cert

import (
	"crypto/tls"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Store holds the certificates in use. Its methods are safe for concurrent use.
type Store struct {
	src   source
	every time.Duration
	log   *slog.Logger

	set  atomic.Pointer[set]
	next atomic.Int64 // Unix nanoseconds before which no handshake looks at files

	mu   sync.Mutex // one reload at a time
	seen string     // state of the source when it was last read, well or badly
}

// source is where certificates come from.
type source interface {
	// state changes whenever load would give something else. It is cheap.
	state() string
	// load returns the state that belongs to the certificates or the error.
	load() ([]*tls.Certificate, string, error)
}

// Open reads the certificates, or makes the self-signed one. It fails when any
// cannot be used.
func Open(opt Options) (*Store, error) {
	if err := opt.Validate(); err != nil {
		return nil, err
	}
	s := &Store{every: opt.CheckEvery, log: opt.Log}
	if s.every <= 0 {
		s.every = DefaultCheckEvery
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	if opt.Mode == ModeFiles {
		s.src = files(opt.pairs())
	} else {
		s.src = newSelfSigned(opt)
	}
	if err := s.Reload(); err != nil {
		return nil, err
	}
	return s, nil
}

// Reload reads everything again. When it fails, the old certificates stay.
func (s *Store) Reload() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reload()
}

func (s *Store) reload() error {
	s.next.Store(time.Now().Add(s.every).UnixNano())
	certs, state, err := s.src.load()
	s.seen = state
	if err != nil {
		return err
	}
	s.set.Store(newSet(certs))
	s.warn(certs)
	return nil
}

func (s *Store) warn(certs []*tls.Certificate) {
	now := time.Now()
	for _, c := range certs {
		if now.After(c.Leaf.NotAfter) {
			s.log.Warn("certificate has expired", "names", names(c.Leaf), "expired", c.Leaf.NotAfter)
		}
	}
}

// GetCertificate chooses for one handshake; it is for tls.Config. At most every
// Options.CheckEvery one handshake looks whether the source changed.
func (s *Store) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	s.check()
	return s.set.Load().choose(hello), nil
}

// Shown returns the certificate, DER, that a client was shown who asked for a
// name; nil: there are several of that name, or the client may have been shown
// one that has been replaced since it connected.
func (s *Store) Shown(name string, connected time.Time) []byte {
	set := s.set.Load()
	certs := set.named(strings.ToLower(strings.TrimSuffix(name, ".")))
	if len(certs) != 1 || !connected.After(set.since) {
		return nil
	}
	return certs[0].Leaf.Raw
}

func (s *Store) check() {
	next := s.next.Load()
	if time.Now().UnixNano() < next || !s.mu.TryLock() {
		return
	}
	defer s.mu.Unlock()
	if s.next.Load() != next { // another handshake was quicker
		return
	}
	s.next.Store(time.Now().Add(s.every).UnixNano())
	if s.src.state() == s.seen {
		return
	}
	if err := s.reload(); err != nil {
		s.log.Error("certificates changed but cannot be used; the old ones stay", "error", err)
		return
	}
	s.log.Info("certificates reloaded")
}
