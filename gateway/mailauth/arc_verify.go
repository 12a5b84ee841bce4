package mailauth

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/message"
)

// ARCChain is what the Authenticated Received Chain of a message says (RFC
// 8617).
type ARCChain struct {
	// CV is the chain validation status: None, Pass or Fail; TempError when
	// only a key that could not be looked up stands between the chain and
	// another status.
	CV     Result   `json:"cv"`
	Sets   []ARCSet `json:"instances"` // i=1 first; empty when the form of the chain is wrong
	Reason string   `json:"reason"`    // why it is not pass; "" otherwise
	// OldestPass is the lowest instance from which on every message signature
	// verifies, 0 when all do (RFC 8617 section 5.2); only with Pass.
	OldestPass int `json:"oldest_pass"`
}

// ARCSet is one judged set.
type ARCSet struct {
	Instance   int       `json:"instance"`
	Domain     string    `json:"domain"`   // d= of the seal: the sealer
	Selector   string    `json:"selector"` // s= of the seal
	Algorithm  string    `json:"algorithm"`
	KeyBits    int       `json:"key_bits"`
	CV         string    `json:"cv"`                 // cv= of the seal
	Seal       Result    `json:"seal"`               // of the ARC-Seal
	Signature  Result    `json:"signature"`          // of the ARC-Message-Signature
	SignedBy   string    `json:"signed_by"`          // d= of the ARC-Message-Signature
	Timestamp  time.Time `json:"timestamp,omitzero"` // t= of the seal
	Results    string    `json:"results"`            // ARC-Authentication-Results after i=, unfolded
	SealReason string    `json:"seal_reason,omitempty"`
	SigReason  string    `json:"signature_reason,omitempty"`
}

// ARCVerifier validates the chain of one message. It is used as a
// DKIMVerifier is.
type ARCVerifier struct {
	*BodyHasher
	fetch keyFetch
	sets  []arcSet
	seals []keyVerdict // by instance, as msgs; written by look-ups
	msgs  []keyVerdict
	early []*arcEarly
	chain ARCChain // the answer, when it is known at once
	known bool
}

// arcEarly is why a message signature is not looked at.
type arcEarly struct {
	Result Result
	Reason string
}

// NewARCVerifier begins to validate the chain in h. h must not change.
// Look-ups end with ctx.
func NewARCVerifier(ctx context.Context, h *message.Header, r dns.Resolver, opt VerifyOptions) *ARCVerifier {
	opt = opt.withDefaults()
	v := &ARCVerifier{BodyHasher: NewBodyHasher(), fetch: keyFetch{resolver: r, keys: opt.Keys}}
	p := findARC(h)
	if p.none() {
		v.know(None, "")
		return v
	}
	sets, err := parseARC(h, p)
	if err == nil {
		err = checkCV(sets)
	}
	if err != nil {
		v.know(Fail, strings.TrimPrefix(err.Error(), errARC.Error()+": "))
		return v
	}
	v.sets = sets
	v.seals, v.msgs = make([]keyVerdict, len(sets)), make([]keyVerdict, len(sets))
	v.early = make([]*arcEarly, len(sets))
	index := newHeaderIndex(h)
	for i := len(sets) - 1; i >= 0; i-- { // the newest first: its body hash decides
		v.beginMessage(index, i, opt.Now)
	}
	v.beginSeals(index)
	v.fetch.start(ctx, opt.LookupTimeout)
	return v
}

func (v *ARCVerifier) know(cv Result, reason string) {
	v.known = true
	v.chain = ARCChain{CV: cv, Reason: reason, Sets: []ARCSet{}}
}

// checkCV judges the cv= of all seals (RFC 8617 section 5.2 steps 1 and 3).
func checkCV(sets []arcSet) error {
	if last := sets[len(sets)-1]; last.cv == "fail" {
		return arcError("the newest seal says cv=fail")
	}
	for i, s := range sets {
		if want := map[bool]string{true: "none", false: "pass"}[i == 0]; s.cv != want {
			return arcError("seal i=%d says cv=%s", i+1, s.cv)
		}
	}
	return nil
}

// beginMessage hashes what an ARC-Message-Signature covers and wants its key.
func (v *ARCVerifier) beginMessage(index *headerIndex, i int, now time.Time) {
	s := v.sets[i].msg
	if err := s.inTime(now); err != nil {
		v.early[i] = &arcEarly{Fail, err.Error()}
		return
	}
	if v.forms() == maxBodyForms {
		v.early[i] = &arcEarly{Policy, "too many forms of the body to hash"}
		return
	}
	v.add(s.form())
	w := sha256.New()
	index.hashFields(w, s.names, s.canon[0], v.sets[i].ams)
	index.hashOwn(w, v.sets[i].ams, s.canon[0], s.bAt)
	check := &keyCheck{algorithm: s.keyType, sum: w.Sum(nil), signature: s.b, exact: true, fetch: &v.fetch}
	v.fetch.want(s.keyName(), func(a keyAnswer) { v.msgs[i] = check.check(a) })
}

// beginSeals hashes what the seals cover, each set one more than the one
// before (RFC 8617 section 5.1.1), and wants their keys.
func (v *ARCVerifier) beginSeals(index *headerIndex) {
	w := sha256.New()
	for i, set := range v.sets {
		w.Write(index.relaxedField(set.aar))
		w.Write(index.relaxedField(set.ams))
		check := &keyCheck{algorithm: set.as.keyType, sum: sumWithOwn(w, index, set), signature: set.as.b, exact: true, fetch: &v.fetch}
		w.Write(index.relaxedField(set.seal))
		v.fetch.want(set.as.keyName(), func(a keyAnswer) { v.seals[i] = check.check(a) })
	}
}

// sumWithOwn returns the hash of what w has and the seal's own field.
func sumWithOwn(w hash.Hash, index *headerIndex, set arcSet) []byte {
	c, err := w.(hash.Cloner).Clone()
	if err != nil {
		return nil // no key verifies it; SHA-256 of the standard library clones
	}
	index.hashOwn(c, set.seal, Relaxed, set.as.bAt)
	return c.Sum(nil)
}

// NeedsBody tells whether the body has to be written.
func (v *ARCVerifier) NeedsBody() bool { return v.forms() > 0 }

// Close gives up: look-ups are stopped and waited for.
func (v *ARCVerifier) Close() { v.fetch.stop() }

// Report ends the body, waits for keys and returns the chain.
func (v *ARCVerifier) Report() ARCChain {
	v.fetch.wait()
	if v.known {
		return v.chain
	}
	v.known = true
	v.chain = ARCChain{CV: Pass, Sets: make([]ARCSet, len(v.sets))}
	for i := range v.sets {
		v.chain.Sets[i] = v.judge(i)
	}
	v.conclude()
	return v.chain
}

// judge brings key and body of one set together.
func (v *ARCVerifier) judge(i int) ARCSet {
	s, seal, msg := v.sets[i], v.seals[i], v.msgs[i]
	out := ARCSet{
		Instance: i + 1, Domain: s.as.domain, Selector: s.as.selector, Algorithm: s.as.algorithm,
		KeyBits: seal.bits, CV: s.cv, Seal: seal.result, SealReason: seal.reason,
		Signature: msg.result, SigReason: msg.reason, SignedBy: s.msg.domain, Results: s.results,
	}
	if s.as.hasTime {
		out.Timestamp = time.Unix(s.as.time, 0).UTC()
	}
	if e := v.early[i]; e != nil {
		out.Signature, out.SigReason = e.Result, e.Reason
		return out
	}
	body, _ := v.Sum(s.msg.form())
	if reason := s.msg.bodyMismatch(body); reason != "" && (msg.result == Pass || msg.result == Fail) {
		out.Signature, out.SigReason = Fail, reason
	}
	return out
}

// conclude judges the chain: the newest message signature and all seals have
// to verify (RFC 8617 section 5.2 steps 4 to 6).
func (v *ARCVerifier) conclude() {
	c := &v.chain
	newest := len(c.Sets) - 1
	c.require(c.Sets[newest].Signature, fmt.Sprintf("message signature i=%d: %s", newest+1, c.Sets[newest].SigReason))
	for i := newest; i >= 0; i-- {
		c.require(c.Sets[i].Seal, fmt.Sprintf("seal i=%d: %s", i+1, c.Sets[i].SealReason))
	}
	if c.CV != Pass {
		return
	}
	for i := newest; i >= 0 && c.Sets[i].Signature == Pass; i-- {
		c.OldestPass = i + 1
	}
	if c.OldestPass == 1 {
		c.OldestPass = 0
	}
}

// require lowers the status when one of the signatures is not pass; what is
// wrong for good outweighs what may pass later.
func (c *ARCChain) require(r Result, reason string) {
	switch {
	case r == Pass || c.CV == Fail:
	case r == TempError:
		if c.CV == Pass {
			c.CV, c.Reason = TempError, reason
		}
	default:
		c.CV, c.Reason = Fail, reason
	}
}

// Sealers returns the domains of the seals, the newest first.
func (c *ARCChain) Sealers() []string {
	d := make([]string, 0, len(c.Sets))
	for i := len(c.Sets) - 1; i >= 0; i-- {
		d = append(d, c.Sets[i].Domain)
	}
	return d
}

// VerifyARC validates the chain of a message whose body is read from body;
// its error is that of reading.
func VerifyARC(ctx context.Context, h *message.Header, body io.Reader, r dns.Resolver, opt VerifyOptions) (ARCChain, error) {
	v := NewARCVerifier(ctx, h, r, opt)
	defer v.Close()
	if v.NeedsBody() {
		if _, err := io.Copy(v, body); err != nil {
			return ARCChain{}, fmt.Errorf("mailauth: body: %w", err)
		}
	}
	return v.Report(), nil
}
