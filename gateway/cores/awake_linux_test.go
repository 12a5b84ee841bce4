package cores

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// asleep is an administrator's choice.
const asleep = "schedtrace=0"

// TestMain is also the program that TestStayAwake starts.
func TestMain(m *testing.M) {
	if os.Getenv("CORES_TEST_AWAKE") == "" {
		os.Exit(m.Run())
	}
	StayAwake()
	began, _ := os.ReadFile("/proc/self/environ")
	fmt.Println(os.Getpid(), len(os.Args), os.Args[len(os.Args)-1])
	fmt.Println(os.Getenv("GODEBUG"))
	fmt.Println(bytes.Contains(began, []byte(awake)))
	// An idle program whose monitor thread sleeps deeply wakes a few times.
	for range 20 { // a busy machine may be late
		before := switches()
		time.Sleep(500 * time.Millisecond)
		if switches()-before > 30 {
			fmt.Println("awake")
			return
		}
		if os.Getenv("GODEBUG") == asleep {
			break
		}
	}
	fmt.Println("asleep")
}

// switches counts how often the process' threads have waited.
func switches() (n int) {
	files, _ := filepath.Glob("/proc/self/task/*/status")
	for _, f := range files {
		b, _ := os.ReadFile(f)
		_, after, _ := strings.Cut(string(b), "\nvoluntary_ctxt_switches:")
		after, _, _ = strings.Cut(after, "\n")
		k, _ := strconv.Atoi(strings.TrimSpace(after))
		n += k
	}
	return n
}

func TestStayAwake(t *testing.T) {
	for _, x := range []struct{ name, set, left, began, end string }{
		{"as it is", "", "", "true", "awake"},
		{"beside another", "GODEBUG=madvdontneed=1", "madvdontneed=1", "true", "awake"},
		{"unless told not to", "GODEBUG=" + asleep, asleep, "false", ""},
	} {
		t.Run(x.name, func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "last argument")
			cmd.Env = append(cmd.Environ(), "CORES_TEST_AWAKE=1", "GODEBUG=")
			if x.set != "" {
				cmd.Env = append(cmd.Env, x.set)
			}
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			lines := strings.Split(string(out), "\n")
			for strings.HasPrefix(lines[0], "SCHED ") { // where the machine has been up for 24.8 days
				lines = lines[1:]
			}
			want := fmt.Sprintf("%d 2 last argument", cmd.Process.Pid)
			if len(lines) < 4 || lines[0] != want || lines[1] != x.left || lines[2] != x.began || !strings.HasPrefix(lines[3], x.end) {
				t.Errorf("\n%swant %s, %q, %s, %s", out, want, x.left, x.began, x.end)
			}
		})
	}
}
