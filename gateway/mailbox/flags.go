package mailbox

import (
	"math/bits"
	"slices"
	"strings"
)

// Flags are a message's flags: system flags, which are the same everywhere, and
// keywords, which are bits of their folder's Keywords.
type Flags uint64

// The system flags. \Recent is none of them: it is a matter of the session, see
// View.Recent.
const (
	Seen Flags = 1 << iota
	Answered
	Flagged
	Deleted
	Draft

	// System is all of them.
	System = Seen | Answered | Flagged | Deleted | Draft

	firstKeyword = 5
)

var systemNames = [firstKeyword]string{`\Seen`, `\Answered`, `\Flagged`, `\Deleted`, `\Draft`}

// SystemFlag returns the flag of a name such as \Seen, in any case; 0: there is
// none.
func SystemFlag(name string) Flags {
	for i, s := range systemNames {
		if strings.EqualFold(s, name) {
			return 1 << i
		}
	}
	return 0
}

// Keywords are the keywords of a folder, in the order of their bits. They only
// grow. They must not be changed.
type Keywords []string

// Append appends the names of flags to list.
func (k Keywords) Append(list []string, f Flags) []string {
	for ; f != 0; f &= f - 1 {
		switch i := bits.TrailingZeros64(uint64(f)); {
		case i < firstKeyword:
			list = append(list, systemNames[i])
		case i-firstKeyword < len(k):
			list = append(list, k[i-firstKeyword])
		}
	}
	return list
}

// Names returns the names of flags.
func (k Keywords) Names(f Flags) []string {
	if f == 0 {
		return nil
	}
	return k.Append(make([]string, 0, bits.OnesCount64(uint64(f))), f)
}

// Flag returns the flag of a name, system flag or keyword, in any case; 0: no
// message has it.
func (k Keywords) Flag(name string) Flags {
	if strings.HasPrefix(name, `\`) {
		return SystemFlag(name)
	}
	if i := slices.IndexFunc(k, func(s string) bool { return strings.EqualFold(s, name) }); i >= 0 {
		return 1 << (i + firstKeyword)
	}
	return 0
}
