package cores

import (
	"os"
	"strings"
	"syscall"
)

// awake is a GODEBUG setting that keeps the runtime's monitor thread from its
// deep sleep. It asks for a trace of the scheduler as well, a line at each
// multiple of as many milliseconds as can be: 24.8 days since the machine started.
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
	program, err := os.Executable() // not /proc/self/exe: ps would show that name
	if err != nil {
		return
	}
	if setting == "" {
		setDebug(awake)
	} else {
		setDebug(setting + "," + awake)
	}
	_ = syscall.Exec(program, os.Args, os.Environ())
	setDebug(setting)
}

func setDebug(setting string) {
	if setting == "" {
		os.Unsetenv("GODEBUG")
		return
	}
	os.Setenv("GODEBUG", setting)
}
