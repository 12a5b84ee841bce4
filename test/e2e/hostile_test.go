package e2e_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// takes is how a plain server begins, up to the recipients.
var takes = []string{"S 220 mx~", "C EHLO", "S 250-mx~250 8BITMIME~", "C MAIL", "S 250 x~", "C RCPT", "S 250 x~"}

func taking(steps ...string) func(net.Conn, *bufio.Reader) {
	return follows(append(slices.Clone(takes), steps...)...)
}

// repeats says a text for ever, all of it at once or with pauses.
func repeats(text string, pause time.Duration) func(net.Conn, *bufio.Reader) {
	return func(c net.Conn, _ *bufio.Reader) {
		for b := []byte(text); ; time.Sleep(pause) {
			if _, err := c.Write(b); err != nil {
				return
			}
		}
	}
}

// trickles takes a message octet by octet.
func trickles(c net.Conn, in *bufio.Reader) {
	if tcp, ok := c.(*net.TCPConn); ok {
		tcp.SetReadBuffer(1 << 10)
	}
	for _, s := range append(slices.Clone(takes), "C DATA", "S 354 go~") {
		follows(s, "X")(c, in)
	}
	for b := make([]byte, 1); ; time.Sleep(time.Second) {
		if _, err := io.ReadFull(in, b); err != nil || c.SetDeadline(time.Time{}) != nil { // closed by the test
			return
		}
	}
}

// hostile are next hops that do harm.
var hostile = map[string]func(net.Conn, *bufio.Reader){
	"endless banner":  repeats("220-x\r\n", 0),
	"a byte a second": repeats("2", time.Second),
	"silence":         follows(),
	"closes at once":  follows("X"),
	"greets with 421": follows("S 421 4.3.2 away~"),
	"speaks HTTP":     follows("S HTTP/1.1 400 Bad Request~~"),
	"endless EHLO": func(c net.Conn, in *bufio.Reader) {
		follows("S 220 x~", "C EHLO", "X")(c, in)
		repeats("250-AUTH X\r\n", 0)(c, in)
	},
	"line of a megabyte":            follows("S 220 x~", "C EHLO", "S 250 "+strings.Repeat("a", 1<<20)+"~"),
	"NUL in replies":                follows("S 220 x~", "C EHLO", "S 250 x\x00y~", "C MAIL", "S \x00\x00\x00~"),
	"421 to MAIL":                   follows("S 220 x~", "C EHLO", "S 250-mx~250 8BITMIME~", "C MAIL", "S 421 4.3.2 away~", "X"),
	"replies before their commands": follows("S 220 x~250 x~250 x~250 x~354 x~250 taken~"),
	"354 to RCPT":                   follows("S 220 x~", "C EHLO", "S 250-mx~250 8BITMIME~", "C MAIL", "S 250 x~354 go~"),
	"closes after 354":              taking("C DATA", "S 354 go~", "X"),
	"hangs after 354":               taking("C DATA", "S 354 go~"),
	"250 before the dot":            taking("C DATA", "S 354 go~250 taken~"),
	"250 to DATA":                   taking("C DATA", "S 250 taken~"),
	"closes after the dot":          taking("C DATA", "S 354 go~", "C .", "X"),
	"421 after the dot":             taking("C DATA", "S 354 go~", "C .", "S 421 4.3.2 away~", "X"),
	"nonsense after the dot":        taking("C DATA", "S 354 go~", "C .", "S yes, of course~", "X"),
	"endless reply to the dot": func(c net.Conn, in *bufio.Reader) {
		taking("C DATA", "S 354 go~", "C .", "X")(c, in)
		repeats("250-x\r\n", 100*time.Millisecond)(c, in)
	},
}

// TestHostileNextHops: whatever a next hop does, the attempt ends in bounded
// time and memory, the message stays, others' mail is not held up, and when
// the next hop has come to its senses the message arrives.
func TestHostileNextHops(t *testing.T) {
	t.Parallel()
	s := serveSender(t, "retry: [1h]", ", timeouts: {greeting: 2s, command: 2s, data: 2s, block: 2s, done: 3s}", "")
	good := s.o.take(t)
	fine := startBackendAt(t, good.addr, nil)
	type hop struct {
		*domain
		what, mark string
		sane       *badTLS
		cured      atomic.Bool
	}
	var hops []*hop
	for what, do := range hostile {
		h := &hop{domain: s.o.take(t), what: what, mark: newMark(), sane: &badTLS{}}
		scripted(t, h.addr, func(c net.Conn, in *bufio.Reader) {
			if h.cured.Load() {
				h.sane.serve(c, in)
				return
			}
			do(c, in)
		})
		hops = append(hops, h)
	}
	c := dial(t, s.smtp)
	send := func(to, mark string) {
		l := newLetter()
		l.mark, l.body = mark, strings.Repeat("More text.\r\n", 200)
		if r := c.mail(annAddress, to, l.String()); r.code != 250 {
			t.Fatal(r)
		}
	}
	began := time.Now()
	for _, h := range hops {
		send("bob@"+h.name, h.mark)
	}
	for range 10 {
		mark, at := newMark(), time.Now()
		send("bob@"+good.name, mark)
		eventually(t, "mail to another", func() bool { return len(fine.find(mark)) == 1 })
		if d := time.Since(at); d > 5*time.Second {
			t.Errorf("another's mail took %s", d)
		}
	}
	for _, h := range hops {
		var left []waiting
		if !poll(func() bool {
			left = s.queued("--domain", h.name)
			return len(left) == 1 && left[0].Attempts > 0
		}) {
			t.Fatalf("%s: the attempt does not end: %+v", h.what, left)
		}
		if r := left[0].Recipients[0].Reply; left[0].State != "waiting" || !strings.HasPrefix(r, "4") {
			t.Errorf("%s: %+v", h.what, left)
		}
	}
	t.Logf("all %d attempts had ended after %s", len(hops), time.Since(began).Round(time.Millisecond))
	if m := s.metric("process_resident_memory_bytes", ""); m > 300<<20 {
		t.Errorf("%v MB", m/1e6)
	}
	for _, h := range hops {
		h.cured.Store(true)
	}
	if out, err := s.run("queue", "retry", "--all"); err != nil {
		t.Fatal(err, out)
	}
	for _, h := range hops {
		eventually(t, h.what+": arrival in the end", func() bool { return len(h.sane.find(h.mark)) == 1 })
	}
	eventually(t, "the queue to be empty", func() bool { return len(s.queued()) == 0 })
}

// TestSlowDestinationsDelayNobody: while one destination refuses all for now,
// one hangs in DATA and one takes an octet a second, each with much mail
// waiting, mail to others arrives as quickly as before.
func TestSlowDestinationsDelayNobody(t *testing.T) {
	t.Parallel()
	s := serveSender(t, "retry: [1s, 2s]", "", "")
	refusing, hanging, slow := s.o.take(t), s.o.take(t), s.o.take(t)
	startBackendAt(t, refusing.addr, nil).set(func(string) error { return says(451, [3]int{4, 3, 0}, "Later") }, nil)
	scripted(t, hanging.addr, taking("C DATA", "S 354 go~"))
	scripted(t, slow.addr, trickles)
	sinks := map[*domain]*tally{}
	var good []*domain
	for range 5 {
		d := s.o.take(t)
		good, sinks[d] = append(good, d), startTallyAt(t, d.addr)
	}
	const each, probes = 300, 150
	before := latencies(t, s, good, sinks, probes)
	var wg sync.WaitGroup
	for _, d := range []*domain{refusing, hanging, slow} {
		c := dial(t, s.smtp)
		wg.Go(func() {
			for range each {
				if r := c.mail(annAddress, "bob@"+d.name, summed(newMark(), 20_000)); r.code != 250 {
					t.Error(r)
					return
				}
			}
		})
	}
	wg.Wait()
	during := latencies(t, s, good, sinks, probes)
	for _, d := range []*domain{refusing, hanging, slow} {
		if n := len(s.queued("--domain", d.name)); n < each {
			t.Errorf("%s: %d of %d messages wait", d.name, n, each)
		}
	}
	t.Logf("from MAIL to arrival at good destinations: p50 %s, p99 %s; with %d messages waiting for each of three bad ones: p50 %s, p99 %s",
		quantile(before, .5), quantile(before, .99), each, quantile(during, .5), quantile(during, .99))
	if q := quantile(during, .99); q > max(2*time.Second, 5*quantile(before, .99)) {
		t.Errorf("others wait for the bad ones: %s", q)
	}
}

// latencies sends messages one after the other to good destinations, and
// returns for each the time from its MAIL to its arrival.
func latencies(t *testing.T, s *sender, good []*domain, sinks map[*domain]*tally, n int) (list []time.Duration) {
	t.Helper()
	c := dial(t, s.smtp)
	type probe struct {
		mark string
		sink *tally
		at   time.Time
	}
	var probes []probe
	for i := range n {
		d := good[i%len(good)]
		p := probe{newMark(), sinks[d], time.Now()}
		if r := c.mail(annAddress, fmt.Sprintf("bob%d@%s", i, d.name), summed(p.mark, 4000)); r.code != 250 {
			t.Fatal(r)
		}
		probes = append(probes, p)
		time.Sleep(10 * time.Millisecond)
	}
	for _, p := range probes {
		eventually(t, "arrival", func() bool { return len(p.sink.times(p.mark)) > 0 })
		list = append(list, max(0, p.sink.times(p.mark)[0].Sub(p.at)))
	}
	slices.Sort(list)
	return list
}

// quantile of a sorted list.
func quantile(list []time.Duration, q float64) time.Duration {
	return list[int(q*float64(len(list)-1))].Round(10 * time.Microsecond)
}
