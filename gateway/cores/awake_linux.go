package cores

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// awake is a GODEBUG setting that keeps the runtime's monitor thread from its
// deep sleep. It asks for a trace of the scheduler as well, a line as rarely as
// can be: at the start, once the machine is up for 24.8 days, and then so often.
const awake = "schedtrace=2147483647"

// StayAwake starts the program anew in its place, once, with the runtime's
// monitor thread kept awake.
//
// Whenever all processors are idle that thread falls into a sleep from which the
// next system call wakes it, to look every 20 us what the others do. A gateway
// falls idle thousands of times a second: every other message pays for that.
// Kept awake it looks every 10 ms. The runtime reads the setting as it starts and
// never again. With schedtrace in GODEBUG it is the administrator's choice, which
// stays.
//
// It is to be called before anything is open and signals are caught. Where it
// fails the program goes on as it is.
func StayAwake() {
	setting := os.Getenv("GODEBUG")
	if rest, ours := strings.CutSuffix(setting, awake); ours {
		setDebug(strings.TrimSuffix(rest, ",")) // not for plugins
		return
	}
	if strings.Contains(setting, "schedtrace=") {
		return
	}
	program, err := itself()
	if err != nil {
		return
	}
	if setting == "" {
		setDebug(awake)
	} else {
		setDebug(setting + "," + awake)
	}
	var files unix.Rlimit
	_ = unix.Getrlimit(unix.RLIMIT_NOFILE, &files)
	_ = syscall.Exec(program, os.Args, os.Environ())
	setDebug(setting)
	// Exec has lowered it to what the runtime had found. Setrlimit would have
	// plugins inherit it.
	unix.RawSyscall6(unix.SYS_PRLIMIT64, 0, unix.RLIMIT_NOFILE, uintptr(unsafe.Pointer(&files)), 0, 0, 0)
}

// itself is the program's path, as it was called if that leads to it: ps, pgrep
// and killall know it by the last name of that.
func itself() (string, error) {
	program, err := os.Executable()
	if err != nil {
		return "", err
	}
	called, err := exec.LookPath(os.Args[0])
	if err != nil {
		return program, nil
	}
	a, errA := os.Stat(called)
	b, errB := os.Stat(program)
	if errA == nil && errB == nil && os.SameFile(a, b) {
		return called, nil
	}
	return program, nil
}

func setDebug(setting string) {
	if setting == "" {
		os.Unsetenv("GODEBUG")
		return
	}
	os.Setenv("GODEBUG", setting)
}
