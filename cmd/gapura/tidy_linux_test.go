package main

import (
	"fmt"
	"strings"
	"testing"
)

func TestOnlyPagesThatWereNotWrittenAreLetGo(t *testing.T) {
	t.Parallel()
	const smaps = `00400000-00401000 r-xp 00000000 08:01 12      /usr/bin/gapura
Size:                  4 kB
Anonymous:             0 kB
00402000-00403000 r--p 00001000 08:01 12      /usr/bin/gapura
Anonymous:             4 kB
00403000-00404000 rw-p 00001000 08:01 12      /usr/bin/gapura
Anonymous:             0 kB
00404000-00405000 r--s 00001000 08:01 12      /usr/bin/gapura
Anonymous:             0 kB
00405000-00407000 r--p 00001000 08:01 12 /usr/bin/gapura
Rss:                   0 kB
Anonymous:             0 kB
VmFlags: rd mr mw me
00408000-00409000 r--p 00001000 08:01 13      /lib/libc.so
Anonymous:             0 kB
0040b000-0040a000 r--p 00001000 08:01 12      /usr/bin/gapura
Anonymous:             0 kB
x-y r--p /usr/bin/gapura
Anonymous:             0 kB
c000000000-c000400000 rw-p 00000000 00:00 0
Anonymous:             0 kB
`
	var got []string
	for from, to := range unwritten(strings.NewReader(smaps), "/usr/bin/gapura") {
		got = append(got, fmt.Sprintf("%x-%x", from, to))
	}
	if want := "[400000-401000 405000-407000]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
	unmapProgram() // the test goes on
}
