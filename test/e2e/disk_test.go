package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/gapura-mail/gapura/test/peers"
)

// sentTo sends messages one after the other until more says no, and returns the
// marks of those that were accepted and of those that were put off. Any other
// answer fails the test.
func sentTo(t *testing.T, g *gapura, size int, more func(accepted, putOff int) bool) (accepted, putOff []string) {
	t.Helper()
	var c *client
	for i := 0; more(len(accepted), len(putOff)); i++ {
		if i%8 == 0 { // after many errors a connection is closed
			c = dial(t, g.smtp)
		}
		mark := newMark()
		switch r := c.mail("ann@sender.test", "bob@far.test", summed(mark, size)); {
		case r.code == 250:
			accepted = append(accepted, mark)
		case r.code == 451 || r.code == 452:
			putOff = append(putOff, mark)
		default:
			t.Fatalf("%d accepted, then %s", len(accepted), r)
		}
	}
	return accepted, putOff
}

// arriveAll starts the next hop and waits until all that was accepted is there,
// whole; of what was put off nothing may be.
func arriveAll(t *testing.T, g *gapura, next string, accepted, putOff []string) {
	t.Helper()
	sink := startTallyAt(t, next)
	if out, err := g.run("queue", "retry", "--all"); err != nil && len(g.queued()) > 0 {
		t.Fatal(err, out)
	}
	if !poll(func() bool { return sink.missing(accepted) == 0 }) {
		t.Fatalf("%d of %d accepted messages are lost", sink.missing(accepted), len(accepted))
	}
	eventually(t, "the queue to be empty", func() bool { return len(g.queued()) == 0 })
	if n := sink.damaged.Load(); n > 0 {
		t.Errorf("%d messages arrived damaged", n)
	}
	if n := len(putOff) - sink.missing(putOff); n > 0 {
		t.Errorf("%d messages arrived that had been put off", n)
	}
	for _, m := range accepted {
		if n := len(sink.times(m)); n != 1 {
			t.Errorf("%s arrived %d times", m, n)
		}
	}
}

// nowhere is an address of the machine where nobody listens yet.
func nowhere(t *testing.T) string {
	t.Helper()
	port, err := peers.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", port)
}

// TestDiskFull: with no room left mail is put off, nothing is half there, and
// when there is room again mail is taken again, with nobody's help.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	dir, next := folder(t), nowhere(t)
	_, ballast := smallDisk(t, dir)
	g := serveIn(t, dir, fmt.Sprintf(listenersYAML, dir)+queueYAML(next, ""))
	accepted, putOff := sentTo(t, g, 100<<10, func(_, putOff int) bool { return putOff < 20 })
	if len(accepted) == 0 {
		t.Error("nothing was accepted before")
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	again, off := sentTo(t, g, 10<<10, func(accepted, putOff int) bool { return accepted < 10 && putOff < 200 })
	t.Logf("%d accepted until the disk was full, then %d put off; with room again %d put off before %d were accepted", len(accepted), len(putOff), len(off), len(again))
	if len(again) < 10 || len(off) > 0 {
		t.Error("it does not recover at once")
	}
	arriveAll(t, g, next, append(accepted, again...), append(putOff, off...))
}

// TestTheQueueItselfFillsTheDisk: nobody else makes room; what leaves does, and
// an administrator can remove what does not.
func TestTheQueueItselfFillsTheDisk(t *testing.T) {
	t.Parallel()
	for _, stopped := range []bool{false, true} {
		t.Run(fmt.Sprint("removed beside no gateway ", stopped), func(t *testing.T) {
			t.Parallel()
			dir, next := folder(t), nowhere(t)
			_, ballast := smallDisk(t, dir)
			if err := os.Remove(ballast); err != nil {
				t.Fatal(err)
			}
			g := serveIn(t, dir, fmt.Sprintf(listenersYAML, dir)+queueYAML(next, ""))
			accepted, putOff := sentTo(t, g, 100<<10, func(_, putOff int) bool { return putOff < 20 })
			gone := g.queued()[0]
			if stopped {
				g.kill()
			}
			if out, err := g.run("queue", "remove", gone.ID); err != nil {
				t.Fatal(err, out)
			}
			if stopped {
				g.start()
			}
			if n := len(g.queued()); n != len(accepted)-1 {
				t.Errorf("%d in the queue, of %d", n, len(accepted))
			}
			sink := startTallyAt(t, next)
			if out, err := g.run("queue", "retry", "--all"); err != nil && len(g.queued()) > 0 {
				t.Fatal(err, out)
			}
			eventually(t, "the queue to be empty", func() bool { return len(g.queued()) == 0 })
			if n := sink.missing(accepted); n != 1 {
				t.Errorf("%d of %d are missing, one was removed", n, len(accepted))
			}
			if n := len(putOff) - sink.missing(putOff); n > 0 {
				t.Errorf("%d messages arrived that had been put off", n)
			}
			eventually(t, "mail to be taken again", func() bool {
				a, _ := sentTo(t, g, 1000, func(a, b int) bool { return a+b < 1 })
				return len(a) > 0
			})
			again, off := sentTo(t, g, 10<<10, func(accepted, putOff int) bool { return accepted < 10 && putOff < 200 })
			t.Logf("%d accepted until the disk was full; when they had left %d put off before %d were accepted", len(accepted), len(off), len(again))
			if len(again) < 10 {
				t.Error("it does not recover")
			}
		})
	}
}

// TestSyncErrors: where the disk says that it could not write, mail is put off;
// what was accepted is there after a crash; mail is taken again as soon as the
// disk writes.
func TestSyncErrors(t *testing.T) {
	t.Parallel()
	strace := tool(t, "strace")
	for _, when := range []string{"1+2", "2+3", "1+1"} {
		t.Run(when, func(t *testing.T) {
			t.Parallel()
			next := nowhere(t)
			g := serve(t, queueYAML(next, ""))
			accepted, _ := sentTo(t, g, 1000, func(accepted, _ int) bool { return accepted < 5 })
			p, err := start("strace", exec.Command(strace, "-f", "-q", "-e", "trace=fdatasync,fsync,sync_file_range", "-e", "inject=fdatasync,fsync:error=EIO:when="+when,
				"-p", fmt.Sprint(g.cmd.Process.Pid)))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(p.stop)
			// It is attached when a message fails, or not allowed to.
			putOff := []string{}
			for len(putOff) == 0 {
				select {
				case <-p.done:
					missing(t, "strace: %s", p.output(0))
				default:
				}
				a, b := sentTo(t, g, 1000, func(a, b int) bool { return a+b < 1 })
				accepted, putOff = append(accepted, a...), append(putOff, b...)
			}
			a, b := sentTo(t, g, 20<<10, func(a, b int) bool { return a+b < 40 })
			accepted, putOff = append(accepted, a...), append(putOff, b...)
			p.stop()
			a, b = sentTo(t, g, 20<<10, func(a, b int) bool { return a < 10 && b < 20 })
			t.Logf("%d accepted, %d put off, afterwards %d put off before %d were accepted", len(accepted), len(putOff), len(b), len(a))
			if len(a) < 10 || len(b) > 1 {
				t.Error("it does not recover")
			}
			g.kill()
			g.start()
			arriveAll(t, g, next, append(accepted, a...), nil)
		})
	}
}

// smallDisk makes the folder data of dir a disk of 24 MiB, 8 of which a file
// takes that can be removed.
func smallDisk(t *testing.T, dir string) (data, ballast string) {
	t.Helper()
	data = filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", data, "tmpfs", 0, "size=24m"); err != nil {
		missing(t, "mount: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(data, syscall.MNT_DETACH) })
	ballast, err := write(data, "ballast", strings.Repeat("x", 8<<20))
	if err != nil {
		t.Fatal(err)
	}
	return data, ballast
}
