package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/queue"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/sqldb"
	"github.com/gapura-mail/gapura/test/peers"
)

// TestManyMessagesWait: with 20,000 messages in the queue, a million in make
// soak, the gateway starts quickly, stays small, lists those of a domain at
// once, and sends them when they can go.
func TestManyMessagesWait(t *testing.T) {
	n := 20_000
	if os.Getenv("GAPURA_SOAK") != "" {
		n = 1_000_000
	} else {
		t.Parallel()
	}
	port, err := peers.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	next := fmt.Sprintf("127.0.0.1:%d", port) // nobody is there
	dir := folder(t)
	began := time.Now()
	fillQueue(t, filepath.Join(dir, "data"), n)
	t.Logf("%d messages queued in %s", n, time.Since(began).Round(time.Millisecond))
	began = time.Now()
	g := serveIn(t, dir, fmt.Sprintf(listenersYAML, dir)+fmt.Sprintf("networks: {relay: [127.0.0.0/8]}\noutbound: {route: \"smtp://%s\"}\n", next))
	started := time.Since(began)
	startCPU := time.Duration(g.metric("process_cpu_seconds_total", "") * float64(time.Second))
	used := g.memory()
	began = time.Now()
	lister := exec.Command(program, "-c", g.file, "queue", "list", "--json", "--domain", "d77.many.test")
	var list []waiting
	if out, err := lister.Output(); err != nil || json.Unmarshal(out, &list) != nil {
		t.Fatalf("%v: %s", err, out)
	}
	listed := time.Since(began)
	began = time.Now()
	if out, err := g.run("queue", "list", "--summary", "--limit", "3"); err != nil || !strings.Contains(out, strconv.Itoa(n/manyDomains)) {
		t.Errorf("%v: %s", err, out)
	}
	summed := time.Since(began)
	// While they wait, others' mail is taken as ever.
	c := dial(t, g.smtp)
	began = time.Now()
	for range 20 {
		if r := c.mail("a@sender.test", "bob@d77.many.test", "Subject: x\r\n\r\nx\r\n"); r.code != 250 {
			t.Fatal(r)
		}
	}
	taken := time.Since(began) / 20
	used = max(used, g.memory())
	t.Logf("%d messages wait: started in %s, %d MB, %d of a domain listed in %s, all counted by domain in %s; a message is taken in %s",
		n, started.Round(time.Millisecond), used>>20, len(list), listed.Round(time.Millisecond), summed.Round(time.Millisecond), taken.Round(10*time.Microsecond))
	if len(list) != n/manyDomains {
		t.Errorf("%d messages of the domain, want %d", len(list), n/manyDomains)
	}
	// Nobody is there: few messages find that out for all.
	if n := g.metric("gapura_queue_attempts_total", `"deferred"`); n > 100 {
		t.Errorf("%v attempts at a next hop that is down", n)
	}
	if n < 1_000_000 { // other tests run beside it
		started, listed = startCPU, lister.ProcessState.UserTime()+lister.ProcessState.SystemTime()
	}
	if started > 5*time.Second || used > 300<<20 || listed > time.Second {
		t.Errorf("too slow or too big: %s, %s", started, listed)
	}
	if n > 100_000 {
		return
	}
	sink, err := start("sink", exec.Command(program, "sink", "--address", next, "--json"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sink.stop)
	if err := sink.awaitPort(next); err != nil {
		t.Fatal(err)
	}
	began = time.Now()
	if out, err := g.run("queue", "retry", "--all"); err != nil {
		t.Fatal(err, out)
	}
	eventually(t, "the queue to be empty", func() bool { return len(g.queued("--limit", "1")) == 0 })
	t.Logf("all sent in %s", time.Since(began).Round(time.Millisecond))
	sink.stop()
	if out := sink.output(0); !strings.Contains(out, fmt.Sprintf(`"messages": %d`, n+20)) {
		t.Errorf("%d messages: %s", n+20, out)
	}
}

// manyDomains is how many domains the messages are for.
const manyDomains = 1000

// memory is what the process has in RAM, in octets.
func (g *gapura) memory() int64 {
	g.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.cmd.Process.Pid))
	if err != nil {
		missing(g.t, "memory is read from Linux's /proc: %v", err)
	}
	_, rest, _ := strings.Cut(string(b), "VmRSS:")
	kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		g.t.Fatal(err)
	}
	return kb << 10
}

// fillQueue puts messages into the queue of a gateway that does not run.
func fillQueue(t *testing.T, dir string, n int) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	db, err := sqldb.Open(ctx, sqldb.Options{URL: "sqlite", Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := blob.OpenFiles(ctx, blob.Options{Dir: filepath.Join(dir, "blobs")}, queue.Live(ctx, db, nil))
	if err != nil {
		t.Fatal(err)
	}
	q, err := queue.Open(ctx, queue.DefaultOptions(), queue.Deps{DB: db, Blobs: blobs, Hostname: gapuraName})
	if err != nil {
		t.Fatal(err)
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 500 {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				if err := q.Submit(ctx, manyCopy(int(i)), queue.Outbound); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	for _, err := range []error{q.Close(ctx), blobs.Close(), db.Close()} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func manyCopy(i int) *gateway.Copy {
	to := smtp.Address{Local: fmt.Sprintf("user%d", i), Domain: fmt.Sprintf("d%d.many.test", i%manyDomains)}
	from := smtp.Address{Local: fmt.Sprintf("ann%d", i%97), Domain: "sender.test"}
	text := fmt.Sprintf("From: %s\r\nTo: %s\r\nSubject: %d\r\n\r\n%s", from, to, i, strings.Repeat("Some text.\r\n", 20))
	return &gateway.Copy{
		ID: fmt.Sprintf("%026d", i), From: smtp.ReversePath{Address: from},
		Rcpts: []gateway.Recipient{{To: smtp.ForwardPath{Address: to}, Route: queue.Outbound}},
		Size:  int64(len(text)), Open: func() io.ReadCloser { return io.NopCloser(strings.NewReader(text)) },
	}
}
