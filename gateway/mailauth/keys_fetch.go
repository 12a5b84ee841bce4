package mailauth

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gapura-mail/gapura/gateway/deadline"
	"github.com/gapura-mail/gapura/gateway/dns"
)

// VerifyOptions bound and date a verification; zero values mean the defaults.
type VerifyOptions struct {
	// Now is the time that t= and x= are judged by; default the clock's.
	Now time.Time
	// MaxSignatures is how many DKIM signatures are judged, from the top;
	// default 8. The others are counted.
	MaxSignatures int
	// LookupTimeout bounds all look-ups of keys together; default 5 s.
	LookupTimeout time.Duration
	// Keys remembers key records from message to message; nil: none.
	Keys *KeyCache
}

const (
	defaultSignatures    = 8
	defaultLookupTimeout = 5 * time.Second
	parallelLookups      = 4 // of one message at a time
	maxBodyForms         = 8 // different body hashes of one message
	clockSkew            = 5 * time.Minute
)

func (o VerifyOptions) withDefaults() VerifyOptions {
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	if o.MaxSignatures <= 0 {
		o.MaxSignatures = defaultSignatures
	}
	if o.LookupTimeout <= 0 {
		o.LookupTimeout = defaultLookupTimeout
	}
	return o
}

// keyAnswer is what DNS has under a selector.
type keyAnswer struct {
	records   []string
	authentic bool
	err       error
}

// keyFetch looks up keys while the body arrives. Each name is asked for once;
// its answer is given to all that want it.
type keyFetch struct {
	resolver dns.Resolver
	keys     *KeyCache
	wanted   map[string][]func(keyAnswer)
	order    []string
	work     atomic.Int64 // that was done for signatures
	ctx      *deadline.Context
	wg       sync.WaitGroup
}

// want asks for the key under name; then is called by start, or in another
// goroutine.
func (f *keyFetch) want(name string, then func(keyAnswer)) {
	if f.wanted == nil {
		f.wanted = make(map[string][]func(keyAnswer))
	}
	if f.wanted[name] == nil {
		f.order = append(f.order, name)
	}
	f.wanted[name] = append(f.wanted[name], then)
}

// start begins the look-ups; nothing may be wanted after it. What the resolver
// has in memory is answered before it returns.
func (f *keyFetch) start(ctx context.Context, timeout time.Duration) {
	if len(f.order) == 0 {
		return
	}
	f.ctx = deadline.After(ctx, timeout)
	unknown := f.order[:0]
	for _, name := range f.order {
		if dns.Known(f.resolver, name, dns.TypeTXT) {
			f.answer(name)
		} else {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) == 0 {
		return
	}
	queue := make(chan string, len(unknown))
	for _, name := range unknown {
		queue <- name
	}
	close(queue)
	for range min(parallelLookups, len(unknown)) {
		f.wg.Go(func() {
			for name := range queue {
				f.answer(name)
			}
		})
	}
}

// answer looks name up and tells all that want it.
func (f *keyFetch) answer(name string) {
	a := f.lookup(f.ctx, name)
	for _, then := range f.wanted[name] {
		then(a)
	}
}

// wait returns when every answer was given.
func (f *keyFetch) wait() {
	f.wg.Wait()
	f.stop()
}

// stop ends look-ups that still run and waits for them.
func (f *keyFetch) stop() {
	if f.ctx != nil {
		f.ctx.Cancel()
	}
	f.wg.Wait()
}

func (f *keyFetch) lookup(ctx context.Context, name string) keyAnswer {
	ans, err := f.resolver.Lookup(ctx, name, dns.TypeTXT)
	if err != nil {
		return keyAnswer{err: err}
	}
	a := keyAnswer{authentic: ans.Authentic}
	for _, r := range ans.Records[:min(len(ans.Records), maxKeyRecords)] {
		a.records = append(a.records, r.Text)
	}
	return a
}

// keyCheck is one signature to be verified with whatever key its name has.
type keyCheck struct {
	algorithm string // rsa, ed25519
	sum       []byte // hash of the signed fields
	signature []byte
	// exact tells whether i= has the domain of d=, which t=s asks for.
	exact bool
	fetch *keyFetch
}

// keyVerdict is what a key said.
type keyVerdict struct {
	result    Result
	reason    string
	bits      int
	testing   bool
	authentic bool
}

// check judges the signature by the keys in a (RFC 6376 section 6.1.2); with
// several, one that verifies is enough.
func (c *keyCheck) check(a keyAnswer) keyVerdict {
	switch {
	case dns.IsNotFound(a.err):
		return keyVerdict{result: PermError, reason: "no key for signature"}
	case a.err != nil:
		return keyVerdict{result: TempError, reason: "key look-up failed"}
	}
	var best keyVerdict
	for _, txt := range a.records {
		v := c.checkRecord(txt)
		v.authentic = a.authentic
		if v.result == Pass {
			return v
		}
		if best.result == "" || v.result == Fail { // a key that fits and does not verify says most
			best = v
		}
	}
	return best
}

func (c *keyCheck) checkRecord(txt string) keyVerdict {
	k, err := c.fetch.keys.Parse(txt)
	if err != nil {
		return keyVerdict{result: PermError, reason: err.Error()}
	}
	v := keyVerdict{result: PermError, bits: k.Bits, testing: k.Testing()}
	switch {
	case k.Revoked():
		v.reason = "key revoked"
	case k.Type != c.algorithm:
		v.reason = fmt.Sprintf("key is for %s", k.Type)
	case !allows(k.Hashes, "sha256", ""):
		v.reason = "key does not allow sha256"
	case !allows(k.Services, "email", "*"):
		v.reason = "key is not for email"
	case k.Strict() && !c.exact:
		v.reason = "key demands that i= has the domain of d="
	case k.Type == "rsa" && k.Bits < MinRSABits: // RFC 8301 section 3.2
		v.reason = fmt.Sprintf("RSA key of %d bits is too short", k.Bits)
	case c.fetch.work.Add(k.work()) > maxWork:
		v.result, v.reason = Policy, "too many signatures with large keys"
	case !k.verify(c.sum, c.signature):
		v.result, v.reason = Fail, "signature did not verify"
	default:
		v.result = Pass
	}
	return v
}

// allows tells whether a list from a key record has the word, or any; an
// empty list allows all.
func allows(list []string, word, any string) bool {
	if len(list) == 0 {
		return true
	}
	for _, w := range list {
		if equalName(w, word) || any != "" && w == any {
			return true
		}
	}
	return false
}
