package e2e_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long anything may take that does not hang.
const patience = 60 * time.Second

// logbook keeps what a process says.
type logbook struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	more chan struct{} // closed and replaced with every write
}

func newLogbook() *logbook { return &logbook{more: make(chan struct{})} }

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf.Write(p)
	close(l.more)
	l.more = make(chan struct{})
	return len(p), nil
}

// since returns what was said after the first n octets.
func (l *logbook) since(n int) string {
	text, _ := l.state()
	return text[min(n, len(text)):]
}

func (l *logbook) state() (string, chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String(), l.more
}

// process is a server that a test started.
type process struct {
	name string
	cmd  *exec.Cmd
	log  *logbook
	done chan struct{} // closed when it has ended
	file string        // where it logs, if not to its output
}

// start starts cmd in a process group of its own.
func start(name string, cmd *exec.Cmd) (*process, error) {
	p := &process{name: name, cmd: cmd, log: newLogbook(), done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.log, p.log
	cmd.WaitDelay = time.Second
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	if cmd.Stdin == nil { // else its end is the sign
		cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	go func() {
		cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// stop ends the process, with force after a while.
func (p *process) stop() {
	p.signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
	}
	p.kill()
}

// kill ends the process and its children at once.
func (p *process) kill() {
	syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.done
}

func (p *process) signal(s syscall.Signal) { p.cmd.Process.Signal(s) }

// output is all that the process said, in its log file too.
func (p *process) output(from int) string {
	text := p.log.since(from)
	if p.file != "" {
		b, _ := os.ReadFile(p.file)
		text += string(b)
	}
	return text
}

// await waits until f finds in the output what it looks for.
func (p *process) await(what string, f func(output string) bool) error {
	end := time.After(patience)
	for {
		text, more := p.log.state()
		if f(text) {
			return nil
		}
		select {
		case <-more:
		case <-p.done:
			if text, _ := p.log.state(); f(text) {
				return nil
			}
			return fmt.Errorf("%s ended before %s:\n%s", p.name, what, p.output(0))
		case <-end:
			return fmt.Errorf("%s: no %s within %s:\n%s", p.name, what, patience, p.output(0))
		}
	}
}

// awaitPort waits until the process accepts connections there.
func (p *process) awaitPort(addr string) error {
	ok := poll(func() bool {
		select {
		case <-p.done:
			return true
		default:
		}
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	select {
	case <-p.done:
		return fmt.Errorf("%s ended:\n%s", p.name, p.output(0))
	default:
	}
	if !ok {
		return fmt.Errorf("%s does not listen on %s:\n%s", p.name, addr, p.output(0))
	}
	return nil
}

// showOnFailure prints what the process said in this test, if it fails.
func (p *process) showOnFailure(t testing.TB) {
	from := len(p.log.since(0))
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("---- %s ----\n%s", p.name, tail(p.output(from), 16<<10))
		}
	})
}

func tail(s string, n int) string {
	if len(s) > n {
		return "...\n" + s[len(s)-n:]
	}
	return s
}

// poll asks until ok says yes, or patience ends.
func poll(ok func() bool) bool {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); <-tick.C {
		if ok() {
			return true
		}
	}
	return ok()
}

// eventually fails the test unless ok says yes in time.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	if !poll(ok) {
		t.Fatalf("%s: not within %s", what, patience)
	}
}

// runTool runs a client program to its end and returns its output.
func runTool(t testing.TB, stdin string, name string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), tool(t, name), args...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	return string(out), err
}
