package message

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestHamIsNotAmbiguous(t *testing.T) {
	dir := os.Getenv("GAPURA_HAM")
	if dir == "" {
		t.Skip("GAPURA_HAM names no folder with an index")
	}
	index, err := os.ReadFile(filepath.Join(dir, "index"))
	if err != nil {
		t.Fatal(err)
	}
	count := map[string][3]int{}
	for line := range strings.SplitSeq(strings.TrimSpace(string(index)), "\n") {
		f := strings.Fields(line)
		raw, err := os.ReadFile(filepath.Join(dir, f[1]))
		if err != nil {
			t.Fatal(err)
		}
		w, all := walkAll(t, raw, WalkLimits{})
		c := count[f[0]]
		c[0]++
		if len(w.Readings()) > 0 {
			c[1]++
		}
		if w.Ambiguous() {
			c[2]++
			if f[0] == "ham" || os.Getenv("GAPURA_ALL") != "" {
				h := w.hidden[0]
				t.Logf("%s %s: %v %s %s %s %q; %s", f[0], f[1], w.Readings(), h.Reading, h.Path, h.Type, h.Filename, all[Plain].defectNames())
			}
		}
		count[f[0]] = c
	}
	for label, c := range count {
		t.Logf("%s: %d messages, %d with other readings, %d ambiguous", label, c[0], c[1], c[2])
	}
}
