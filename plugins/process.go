package plugins

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// drain is how long the output of a process is read after its end, in case
// somebody who left its group still holds the pipe.
const drain = time.Second

var errKilled = errors.New("killed")

// process is a plugin's process and all that it starts: its process group. It
// implements go-plugin's runner.Runner.
type process struct {
	cmd            *exec.Cmd
	dir            string // folder of the socket
	limits         Limits
	stdout, stderr *os.File

	mu     sync.Mutex
	pid    int  // 0: not started, or reaped
	killed bool // before it was started
	id     string

	done chan struct{} // closed when it has ended and nothing of its group is left
	err  error         // how it ended, after done
}

func newProcess(dir string, limits Limits) *process {
	return &process{dir: dir, limits: limits, done: make(chan struct{})}
}

// Start implements runner.Runner.
func (p *process) Start(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.killed {
		return errKilled
	}
	outR, outW, err := os.Pipe()
	if err != nil {
		return err
	}
	errR, errW, err := os.Pipe()
	if err != nil {
		return errors.Join(err, outR.Close(), outW.Close())
	}
	p.stdout, p.stderr = outR, errR
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = nil, outW, errW
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go p.run(started)
	err = <-started
	errors.Join(outW.Close(), errW.Close())
	if err != nil {
		return errors.Join(err, outR.Close(), errR.Close())
	}
	p.pid = p.cmd.Process.Pid
	p.id = strconv.Itoa(p.pid)
	return nil
}

// run starts the process and waits for its end, both on one thread: the
// parent-death signal comes when the thread that forked ends.
func (p *process) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := p.cmd.Start(); err != nil {
		started <- err
		return
	}
	pid := p.cmd.Process.Pid
	if err := limit(pid, p.limits); err != nil {
		_ = unix.Kill(-pid, unix.SIGKILL)
		_ = p.cmd.Wait()
		started <- err
		return
	}
	started <- nil
	awaitExit(pid)
	p.mu.Lock()
	_ = unix.Kill(-pid, unix.SIGKILL) // what it left behind; the number is ours until Wait
	p.err = p.cmd.Wait()
	p.pid = 0
	p.mu.Unlock()
	over := time.Now().Add(drain)
	_ = p.stdout.SetReadDeadline(over)
	_ = p.stderr.SetReadDeadline(over)
	close(p.done)
}

// awaitExit returns when pid has ended, without reaping it.
func awaitExit(pid int) {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			return
		}
	}
}

// limit applies right after the start: there is no hook before exec. Memory is
// what it may write to, not address space, of which Go reserves much.
func limit(pid int, l Limits) error {
	for _, r := range []struct {
		resource int
		max      uint64
	}{
		{unix.RLIMIT_DATA, uint64(l.Memory)},
		{unix.RLIMIT_NOFILE, uint64(l.Files)},
		{unix.RLIMIT_CORE, 0}, // no mail in core files
	} {
		err := unix.Prlimit(pid, r.resource, &unix.Rlimit{Cur: r.max, Max: r.max}, nil)
		if err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("limits: %w", err)
		}
	}
	return nil
}

// kill ends the whole process group, or keeps it from being started.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.killed = true
	if p.pid != 0 {
		_ = unix.Kill(-p.pid, unix.SIGKILL)
	}
}

// Kill implements runner.AttachedRunner.
func (p *process) Kill(context.Context) error {
	p.kill()
	return nil
}

// Wait implements runner.AttachedRunner.
func (p *process) Wait(context.Context) error {
	<-p.done
	return errors.Join(p.err, p.stdout.Close(), p.stderr.Close())
}

// Diagnose implements runner.Runner.
func (p *process) Diagnose(context.Context) string { return "" }

// Stdout implements runner.Runner.
func (p *process) Stdout() io.ReadCloser { return p.stdout }

// Stderr implements runner.Runner.
func (p *process) Stderr() io.ReadCloser { return p.stderr }

// Name implements runner.Runner.
func (p *process) Name() string { return pluginOutput }

// ID implements runner.AttachedRunner.
func (p *process) ID() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.id
}

// PluginToHost implements runner.AddrTranslator. The plugin says where it
// listens; anywhere but in its own folder is a lie.
func (p *process) PluginToHost(network, addr string) (string, string, error) {
	if network != "unix" || filepath.Dir(filepath.Clean(addr)) != p.dir {
		return "", "", fmt.Errorf("it listens on %.20q %.200q, not in the folder that it was given", network, addr)
	}
	return network, addr, nil
}

// HostToPlugin implements runner.AddrTranslator.
func (p *process) HostToPlugin(network, addr string) (string, string, error) {
	return network, addr, nil
}
