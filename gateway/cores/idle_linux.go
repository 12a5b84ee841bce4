package cores

import (
	"bytes"
	"os"
	"runtime"
	"strconv"
)

// processorTime returns how long the machine's processors have idled, of how long
// in all; 0: it is not known, or it is not for us to use all of them.
func processorTime() (idle, all uint64) {
	if runtime.NumCPU() != All() {
		return 0, 0
	}
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0
	}
	line, _, _ := bytes.Cut(b, []byte("\n"))
	list := bytes.Fields(line)
	for i := 1; i < min(len(list), 9); i++ { // what guests use is counted as ours, too
		n, err := strconv.ParseUint(string(list[i]), 10, 64)
		if err != nil {
			return 0, 0
		}
		if all += n; i == 4 || i == 5 { // idle, iowait
			idle += n
		}
	}
	return idle, all
}
