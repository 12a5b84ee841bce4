package mailauth

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gapura-mail/gapura/gateway/message"
)

// Reasons why Seal adds nothing.
var (
	// ErrChainEnded says that the newest seal has cv=fail, or that the chain
	// has as many sets as may be: nothing is added to it (RFC 8617 sections
	// 5.1 and 5.1.2).
	ErrChainEnded = errors.New("the chain has ended")
	// ErrChainUnknown says that the chain's status is neither none, pass nor
	// fail yet, so that a seal could only harm it.
	ErrChainUnknown = errors.New("the chain could not be validated")
)

// Seal returns a new ARC set, the three fields in the order in which they go
// on top of h, each with its final CRLF (RFC 8617 section 5.1). cv is the
// status of the chain in h, as an ARCVerifier found it; results is the payload
// of Authentication-Results, authserv-id first. body is the hash of the body
// in s.BodyForm(). Signer's Identity and Expire are not used.
func (s *Signer) Seal(h *message.Header, cv Result, results string, body BodyHash) ([]byte, error) {
	fields, err := s.seal(h, cv, results, body)
	if err != nil {
		return nil, fmt.Errorf("mailauth: seal: %w", err)
	}
	return fields, nil
}

func (s *Signer) seal(h *message.Header, cv Result, results string, body BodyHash) ([]byte, error) {
	names := s.Headers
	if names == nil {
		names = s.sealHeaders(h)
	}
	alg, err := s.check(names)
	switch {
	case err != nil:
		return nil, err
	case hasName(names, "ARC-Seal"):
		return nil, errors.New("ARC-Seal must not be signed")
	case body.Form != s.BodyForm():
		return nil, errors.New("body hashed in another form")
	}
	sets, n, cv, err := sealInstance(h, cv)
	if err != nil {
		return nil, err
	}
	aar := message.AppendFolded(nil, fmt.Sprintf("ARC-Authentication-Results: i=%d; %s", n, results))
	index := newHeaderIndex(h)
	ams, err := s.sealMessage(index, n, alg, names, body, aar)
	if err != nil {
		return nil, err
	}
	as, err := s.sealChain(index, sets, n, alg, cv, aar, ams)
	if err != nil {
		return nil, err
	}
	return slices.Concat(as, ams, aar), nil
}

// sealHeaders are the default names for the message signature: as for DKIM,
// and the DKIM signatures (RFC 8617 section 4.1.2).
func (s *Signer) sealHeaders(h *message.Header) []string {
	names := DefaultHeaders(h)
	for range h.Count("DKIM-Signature") {
		names = append(names, "DKIM-Signature")
	}
	return names[:min(len(names), MaxSignedNames)]
}

// sealInstance returns the sets that the new seal covers, its instance, and
// its cv=.
func sealInstance(h *message.Header, cv Result) (sets []arcSet, n int, _ Result, err error) {
	p := findARC(h)
	sets, perr := parseARC(h, p)
	n = len(sets) + 1
	if perr != nil {
		var ended bool
		if n, ended = highestInstance(h, p); ended {
			return nil, 0, cv, ErrChainEnded
		}
		n, cv = n+1, Fail
	}
	switch {
	case p.none():
		cv = None
	case cv == None:
		return nil, 0, cv, errors.New("a chain that is there cannot have the status none")
	case len(sets) > 0 && sets[len(sets)-1].cv == "fail":
		return nil, 0, cv, ErrChainEnded
	}
	if n > MaxARCInstances {
		return nil, 0, cv, ErrChainEnded
	}
	switch cv {
	case None, Pass:
		return sets, n, cv, nil
	case Fail: // the seal covers its own set alone, RFC 8617 section 5.1.2
		return nil, n, cv, nil
	}
	return nil, 0, cv, ErrChainUnknown
}

// highestInstance looks for the largest i= in a chain of whatever form, and
// whether a seal of that instance has cv=fail.
func highestInstance(h *message.Header, p arcPositions) (high int, ended bool) {
	for _, pos := range slices.Concat(p.aar, p.ams, p.seal) {
		f := h.Fields()[pos]
		i, cv := 0, ""
		if s, n, err := parseInstance(f); err == nil {
			i = n
			cv, _ = s.tags.Get("cv")
		} else if n, _, ok := cutInstance(f.Value()); ok {
			i = n
		}
		if i > high {
			high, ended = i, false
		}
		ended = ended || i == high && equalName(cv, "fail") && f.Is("ARC-Seal")
	}
	return high, ended
}

// sealMessage makes the ARC-Message-Signature (RFC 8617 section 4.1.2). The
// new results are part of the header that it signs, on top.
func (s *Signer) sealMessage(index *headerIndex, n int, alg string, names []string, body BodyHash, aar []byte) ([]byte, error) {
	f := newTagField("ARC-Message-Signature")
	f.add("i", strconv.Itoa(n))
	f.add("a", alg)
	f.add("c", s.Canon[0].String()+"/"+s.Canon[1].String())
	f.add("d", s.Domain)
	f.add("s", s.Selector)
	f.addTime("t", s.Time)
	f.addList("h", names)
	f.add("bh", base64.StdEncoding.EncodeToString(body.Sum[:]))
	if hasName(names, "ARC-Authentication-Results") {
		h, err := message.ParseHeader(slices.Concat(aar, rawFields(index)), message.HeaderLimits{})
		if err != nil {
			return nil, err
		}
		index = newHeaderIndex(h)
	}
	return s.signField(index, f, names, s.Canon[0])
}

func rawFields(index *headerIndex) []byte {
	var b []byte
	for _, f := range index.fields {
		b = append(b, f.Raw...)
	}
	return b
}

// sealChain makes the ARC-Seal over all sets, the new one last (RFC 8617
// section 5.1.1).
func (s *Signer) sealChain(index *headerIndex, sets []arcSet, n int, alg string, cv Result, aar, ams []byte) ([]byte, error) {
	f := newTagField("ARC-Seal")
	f.add("i", strconv.Itoa(n))
	f.add("a", alg)
	f.add("cv", string(cv))
	f.add("d", s.Domain)
	f.add("s", s.Selector)
	f.addTime("t", s.Time)
	f.add("b", "")
	w := sha256.New()
	for _, set := range sets {
		w.Write(index.relaxedField(set.aar))
		w.Write(index.relaxedField(set.ams))
		w.Write(index.relaxedField(set.seal))
	}
	for _, field := range [][]byte{aar, ams} {
		name, rest, _ := strings.Cut(string(field), ":")
		w.Write(appendRelaxed(nil, name, []byte(rest)))
	}
	w.Write(f.unsigned(Relaxed))
	sig, err := s.sign(w.Sum(nil))
	if err != nil {
		return nil, err
	}
	return f.finish(sig), nil
}

// CollectAuthResults gathers what the Authentication-Results fields of h that
// carry the authserv-id say, in one payload as Seal takes it, and the arc
// result among them, None when there is none. It is for hosts that seal what
// they had judged before; ok is false when there is no such field.
func CollectAuthResults(h *message.Header, authservID string) (payload string, arc Result, ok bool) {
	arc = None
	var b strings.Builder
	b.WriteString(authservID)
	for _, f := range h.All("Authentication-Results") {
		v := f.Value()
		a, _ := message.ParseAuthResults(v) // as far as it goes
		if !strings.EqualFold(a.ID, authservID) {
			continue
		}
		for _, r := range a.Results {
			if r.Method == "arc" && (!ok || arc == None) { // the topmost is the newest
				arc = Result(r.Result)
			}
		}
		ok = true
		_, results, _ := strings.Cut(v, ";")
		if results = strings.Trim(results, " \t;"); results != "" && results != "none" {
			b.WriteString(";\r\n\t" + results)
		}
	}
	if b.Len() == len(authservID) {
		b.WriteString("; none")
	}
	return b.String(), arc, ok
}
