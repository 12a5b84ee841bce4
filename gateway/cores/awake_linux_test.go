package cores

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
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
	if os.Getenv("CORES_TEST_AWAKE") == "removed" {
		os.Remove(os.Args[0])
	}
	StayAwake()
	began, _ := os.ReadFile("/proc/self/environ")
	fmt.Println(os.Getpid(), len(os.Args), os.Args[len(os.Args)-1])
	fmt.Println(os.Getenv("GODEBUG"))
	fmt.Println(bytes.Contains(began, []byte(awake)))
	name, _ := os.ReadFile("/proc/self/comm")
	var files syscall.Rlimit
	syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files)
	fmt.Println(strings.TrimSpace(string(name)), files.Cur > 100)
	// An idle program whose monitor thread sleeps deeply wakes a few times.
	for range 20 { // a busy machine may be late
		before := switches()
		time.Sleep(500 * time.Millisecond)
		if switches()-before > 30 {
			fmt.Println("awake")
			return
		}
		if os.Getenv("GODEBUG") == asleep || !bytes.Contains(began, []byte(awake)) {
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
			if len(lines) < 5 || lines[0] != want || lines[1] != x.left || lines[2] != x.began || !strings.HasPrefix(lines[4], x.end) {
				t.Errorf("\n%swant %s, %q, %s, %s", out, want, x.left, x.began, x.end)
			}
		})
	}
}

// called starts the program under a name of its own, with a low limit of open
// files that it may raise, and returns what it says of both.
func called(t *testing.T, program, how string) string {
	t.Helper()
	cmd := exec.Command("sh", "-c", `ulimit -S -n 100 && exec "$0"`, program)
	cmd.Env = append(cmd.Environ(), "CORES_TEST_AWAKE="+how, "GODEBUG=")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) < 5 {
		t.Fatalf("%s", out)
	}
	return lines[len(lines)-3] + ": " + lines[len(lines)-2]
}

func TestItKeepsItsName(t *testing.T) {
	t.Parallel()
	link := filepath.Join(t.TempDir(), "name")
	if err := os.Symlink(os.Args[0], link); err != nil {
		t.Fatal(err)
	}
	if got := called(t, link, "1"); got != "true: name true" {
		t.Error(got)
	}
}

// An update has removed the program in that moment.
func TestWhereItCannotStartAnewItGoesOn(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "name")
	if err := os.WriteFile(program, b, 0o700); err != nil {
		t.Fatal(err)
	}
	if got := called(t, program, "removed"); got != "false: name true" {
		t.Error(got)
	}
}
