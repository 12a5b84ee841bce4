package mailauth

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gapura-mail/gapura/gateway/message"
)

// MaxARCInstances is how many sets a chain may have (RFC 8617 section 4.2.1).
const MaxARCInstances = 50

// arcSet is one ARC set: three fields with the same i=.
type arcSet struct {
	aar, ams, seal int // positions of the fields
	results        string
	msg            *sigField // ARC-Message-Signature
	as             *sigField // ARC-Seal
	cv             string
}

// errARC is wrapped by all that is wrong with the form of a chain.
var errARC = errors.New("ARC")

func arcError(format string, a ...any) error {
	return fmt.Errorf("%w: %s", errARC, fmt.Sprintf(format, a...))
}

// arcPositions are the fields of a header that belong to ARC, topmost first.
type arcPositions struct{ aar, ams, seal []int }

// findARC returns the positions; more than may be are not collected.
func findARC(h *message.Header) (p arcPositions) {
	for i, f := range h.Fields() {
		if len(f.Name) < 8 || !equalName(f.Name[:4], "ARC-") {
			continue
		}
		list := (*[]int)(nil)
		switch {
		case f.Is("ARC-Authentication-Results"):
			list = &p.aar
		case f.Is("ARC-Message-Signature"):
			list = &p.ams
		case f.Is("ARC-Seal"):
			list = &p.seal
		default:
			continue
		}
		if len(*list) <= MaxARCInstances {
			*list = append(*list, i)
		}
	}
	return p
}

func (p arcPositions) none() bool { return len(p.aar)+len(p.ams)+len(p.seal) == 0 }

// parseARC returns the sets of a chain in order of instance, or what is wrong
// with their form (RFC 8617 section 5.2 steps 2 and 3, without cv=).
func parseARC(h *message.Header, p arcPositions) ([]arcSet, error) {
	n := len(p.seal)
	if n > MaxARCInstances || len(p.aar) > MaxARCInstances || len(p.ams) > MaxARCInstances {
		return nil, arcError("more than %d sets", MaxARCInstances)
	}
	if len(p.aar) != n || len(p.ams) != n {
		return nil, arcError("incomplete sets: %d seals, %d message signatures, %d results", n, len(p.ams), len(p.aar))
	}
	sets := make([]arcSet, n)
	for i := range sets {
		sets[i] = arcSet{aar: -1, ams: -1, seal: -1}
	}
	for k := range n {
		if err := placeAAR(sets, h.Fields(), p.aar[k]); err != nil {
			return nil, err
		}
		if err := placeAMS(sets, h.Fields(), p.ams[k]); err != nil {
			return nil, err
		}
		if err := placeSeal(sets, h.Fields(), p.seal[k]); err != nil {
			return nil, err
		}
	}
	return sets, nil // n fields of each kind, none twice: all sets are complete
}

// place finds the set for an instance and takes its slot.
func place(sets []arcSet, i int, name string, slot func(*arcSet) *int, pos int) error {
	if i < 1 || i > len(sets) {
		return arcError("%s has i=%d among %d sets", name, i, len(sets))
	}
	at := slot(&sets[i-1])
	if *at >= 0 {
		return arcError("two %s with i=%d", name, i)
	}
	*at = pos
	return nil
}

func placeAAR(sets []arcSet, fields []message.Field, pos int) error {
	i, results, ok := cutInstance(fields[pos].Value())
	if !ok {
		return arcError("ARC-Authentication-Results without i=")
	}
	if err := place(sets, i, "ARC-Authentication-Results", func(s *arcSet) *int { return &s.aar }, pos); err != nil {
		return err
	}
	sets[i-1].results = results
	return nil
}

func placeAMS(sets []arcSet, fields []message.Field, pos int) error {
	s, i, err := parseInstance(fields[pos])
	if err == nil {
		err = s.parseBody(true)
	}
	if err != nil {
		return arcError("ARC-Message-Signature: %v", err)
	}
	if hasName(s.names, "ARC-Seal") { // RFC 8617 section 4.1.2
		return arcError("ARC-Message-Signature signs ARC-Seal")
	}
	if err := place(sets, i, "ARC-Message-Signature", func(s *arcSet) *int { return &s.ams }, pos); err != nil {
		return err
	}
	sets[i-1].msg = s
	return nil
}

func placeSeal(sets []arcSet, fields []message.Field, pos int) error {
	s, i, err := parseInstance(fields[pos])
	if err != nil {
		return arcError("ARC-Seal: %v", err)
	}
	for _, tag := range []string{"h", "bh", "c", "l"} { // RFC 8617 section 4.1.3
		if _, ok := s.tags.Get(tag); ok {
			return arcError("ARC-Seal has %s=", tag)
		}
	}
	cv, _ := s.tags.Get("cv")
	if cv = strings.ToLower(cv); cv != "none" && cv != "pass" && cv != "fail" {
		return arcError("ARC-Seal has no valid cv=")
	}
	if err := place(sets, i, "ARC-Seal", func(s *arcSet) *int { return &s.seal }, pos); err != nil {
		return err
	}
	sets[i-1].as, sets[i-1].cv = s, cv
	return nil
}

// parseInstance parses a signature field and its i=.
func parseInstance(f message.Field) (*sigField, int, error) {
	s, err := parseSigField(f)
	if err != nil {
		return nil, 0, err
	}
	v, _ := s.tags.Get("i")
	i, ok := parseDigits(v, 2)
	if !ok || i < 1 || i > MaxARCInstances {
		return nil, 0, unclear("i= is no instance")
	}
	return s, int(i), nil
}

// cutInstance cuts "i=N;" from the value of an ARC-Authentication-Results
// (RFC 8617 section 4.1.1).
func cutInstance(v string) (int, string, bool) {
	head, rest, found := strings.Cut(v, ";")
	name, number, eq := strings.Cut(head, "=")
	i, ok := parseDigits(trimFWS(number), 2)
	if !found || !eq || !ok || !equalName(trimFWS(name), "i") {
		return 0, "", false
	}
	return int(i), trimFWS(rest), true
}
