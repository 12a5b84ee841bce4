package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/test/peers"
)

// TestMemoryIsBoundedWhateverTheSize: with n large messages in flight, all but
// their last octets sent, the live heap stays under n times what a body may
// keep in memory and 1 MiB.
func TestMemoryIsBoundedWhateverTheSize(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	memoryIsBounded(t, w, w.fullYAML(), 20, 8<<20, 256<<10, func(mark string) { w.dest.one(t, "alice@dest.test", mark) })
}

// TestSoakMemory is the same with 100 messages of 50 MiB, too large for every
// day. clamd scans ten of them at a time, and those that it has no time for are
// marked; mailboxes are left out.
func TestSoakMemory(t *testing.T) {
	if os.Getenv("GAPURA_SOAK") == "" {
		t.Skip("5 GB: make soak")
	}
	w := theWorld(t)
	port, err := peers.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	sink, err := start("sink", exec.Command(program, "sink", "--address", addr))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sink.stop)
	if err := sink.awaitPort(addr); err != nil {
		t.Fatal(err)
	}
	config := strings.Replace(w.fullYAML(), fmt.Sprintf(`"lmtp://%s"]`, w.dest.addr), fmt.Sprintf(`"smtp://%s"], connections: 100`, addr), 1)
	memoryIsBounded(t, w, config, 100, 50<<20, 2<<20, func(string) {})
	sink.stop()
	if out := sink.output(0); !strings.Contains(out, "100 messages") {
		t.Error(out)
	}
}

// memoryIsBounded sends n messages of this size at once.
func memoryIsBounded(t *testing.T, w *world, rest string, n, size, memory int, arrived func(mark string)) {
	dir := folder(t)
	config := fmt.Sprintf(listenersYAML, dir) + rest
	config = strings.Replace(config, "connections_per_ip: 500", fmt.Sprintf("connections_per_ip: 500, message: %d, body_memory: %d", size+1<<20, memory), 1)
	// gctrace tells after each collection what lives; GOGC makes them many.
	g := serveIn(t, dir, config, "GODEBUG=gctrace=1", "GOGC=20")
	text := filler(64 << 10)
	clients := make([]*client, n)
	marks := make([]string, n)
	var wg sync.WaitGroup
	for i := range clients {
		l := newLetter()
		l.body, marks[i] = "", l.mark
		head := w.signed(t, l)
		clients[i] = dialAs(t, g, senderNet)
		clients[i].conn.SetDeadline(time.Now().Add(10 * time.Minute))
		wg.Go(func() {
			c := clients[i]
			c.ok(250, "MAIL FROM:<ann@sender.test> BODY=8BITMIME")
			c.ok(250, "RCPT TO:<alice@dest.test>")
			c.ok(354, "DATA")
			c.send(head)
			chunk := stuffed("\r\n" + text)[2:]
			for sent := 0; sent < size; sent += len(text) {
				c.send(chunk)
			}
		})
	}
	wg.Wait()
	eventually(t, "all octets to be read", func() bool {
		return g.spooled() >= int64(n)*int64(size-memory-1<<20)
	})
	if got, bound := g.liveHeap(t), idleHeap+n*(memory+1<<20)>>20; got > bound {
		t.Errorf("live heap %d MiB with %d messages of %d MiB in flight, want at most %d", got, n, size>>20, bound)
	} else {
		t.Logf("live heap %d MiB with %d messages of %d MiB in flight; bound %d", got, n, size>>20, bound)
	}
	for _, c := range clients {
		wg.Go(func() {
			c.send(".\r\n")
			if r, err := c.read(); err != nil || r.code != 250 {
				t.Errorf("%s %v", r, err)
			}
		})
	}
	wg.Wait()
	for _, m := range marks {
		arrived(m)
	}
	if got, bound := g.liveHeap(t), idleHeap+n*(memory+1<<20)>>20; got > bound {
		t.Errorf("live heap %d MiB until the end, want at most %d", got, bound)
	}
	eventually(t, "the spool to be empty", func() bool { return g.spooled() == 0 })
}

// idleHeap is what lives in a gateway without mail, in MiB: the queue's table of
// what waits, for the most part.
const idleHeap = 14

var gctrace = regexp.MustCompile(`(?m)^gc \d+ .* (\d+)->(\d+)->(\d+) MB, `)

// liveHeap returns the most that lived after a collection so far, in MiB.
func (g *gapura) liveHeap(t *testing.T) (most int) {
	t.Helper()
	all := gctrace.FindAllStringSubmatch(g.log.since(0), -1)
	if len(all) < 3 {
		t.Fatalf("%d collections only", len(all))
	}
	for _, m := range all {
		n, _ := strconv.Atoi(m[3])
		most = max(most, n)
	}
	return most
}

// spooled returns how many octets of deleted files the gateway holds open in
// its spool.
func (g *gapura) spooled() (sum int64) {
	fds, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", g.cmd.Process.Pid))
	for _, fd := range fds {
		name := fmt.Sprintf("/proc/%d/fd/%s", g.cmd.Process.Pid, fd.Name())
		target, err := os.Readlink(name)
		if err != nil || !strings.HasPrefix(target, g.dir+"/data/spool") {
			continue
		}
		if info, err := os.Stat(name); err == nil {
			sum += info.Size()
		}
	}
	return sum
}
