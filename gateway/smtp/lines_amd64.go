//go:build !purego

package smtp

import "golang.org/x/sys/cpu"

// wide says that the processor has what these use.
var wide = cpu.X86.HasAVX2

// lastClean returns the last LF of p, n octets, of which all that are looked at
// are clean: CR and LF come as CRLF only, no line begins with stuffed, none is
// longer than line octets (64 at least) with its CRLF, and there is no NUL. last
// is the LF before p: -1 where p begins a line, less where it had begun before;
// it is returned where there is none. It looks at blocks of 64 octets, as far as
// they are clean.
//
//go:noescape
func lastClean(p *byte, n int, stuffed uint64, line, last int) int

// highBlocks tells whether there is an octet above 127 in p, n octets, of which n
// is a multiple of 64.
//
//go:noescape
func highBlocks(p *byte, n int) bool
