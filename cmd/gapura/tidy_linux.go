package main

import (
	"bufio"
	"io"
	"iter"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// unmapProgram lets go of the program's pages that are in memory: most were
// needed at the start only. Those that are needed again come back from the
// system's cache, sixteen with a fault.
func unmapProgram() {
	name, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return
	}
	defer f.Close()
	for from, to := range unwritten(f, name) {
		// An error means that the pages stay.
		_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, from, to-from, syscall.MADV_DONTNEED)
	}
}

// unwritten lists, from /proc/self/smaps, the parts of a file that cannot be
// written to and have not been: of a program that can be loaded anywhere the
// loader has.
func unwritten(smaps io.Reader, name string) iter.Seq2[uintptr, uintptr] {
	return func(yield func(from, to uintptr) bool) {
		var from, to uintptr
		for sc := bufio.NewScanner(smaps); sc.Scan(); {
			key, rest, _ := strings.Cut(sc.Text(), " ")
			if first, last, ok := strings.Cut(key, "-"); ok {
				if from, to = 0, 0; strings.HasSuffix(rest, " "+name) && (strings.HasPrefix(rest, "r--p ") || strings.HasPrefix(rest, "r-xp ")) {
					from, to = address(first), address(last)
				}
				continue
			}
			if key == "Anonymous:" && strings.TrimSpace(rest) == "0 kB" && 0 < from && from < to && !yield(from, to) {
				return
			}
		}
	}
}

// address reads one in base 16; 0: it is none.
func address(s string) uintptr {
	n, _ := strconv.ParseUint(s, 16, 64)
	return uintptr(n)
}
