package outbound

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/gapura-mail/gapura/gateway/dns/dnstest"
)

// hostile is a server that does what it likes: a script of lines to send and
// lines to wait for.
type hostile func(conn net.Conn, in *bufio.Reader)

// after sends text once a line with the prefix was read, n times; then the
// next step.
func lines(steps ...string) hostile {
	return func(conn net.Conn, in *bufio.Reader) {
		for _, s := range steps {
			verb, arg, _ := strings.Cut(s, " ")
			switch verb {
			case "S": // says
				fmt.Fprint(conn, strings.ReplaceAll(arg, "~", "\r\n"))
			case "C": // waits for a line
				for {
					l, err := in.ReadString('\n')
					if err != nil || strings.HasPrefix(l, arg) {
						break
					}
				}
			case "X": // closes
				return
			}
		}
		_, _ = io.Copy(io.Discard, in) // hangs
	}
}

const hi = "S 220 x~"

var ehlo = []string{hi, "C EHLO", "S 250-x~250 PIPELINING~"}

func then(a []string, b ...string) hostile {
	return lines(append(append([]string{}, a...), b...)...)
}

// endless repeats a text for ever.
func endless(text string, pause time.Duration) hostile {
	return func(conn net.Conn, _ *bufio.Reader) {
		for {
			if _, err := io.WriteString(conn, text); err != nil {
				return
			}
			time.Sleep(pause)
		}
	}
}

// Whatever a next hop does, an attempt ends in bounded time with the right
// outcome: those whose message may have arrived are not sent elsewhere, those
// whose has not are.
func TestHostileServers(t *testing.T) {
	t.Parallel()
	const (
		second  = "delivered 250 2.0.0 relayed mx2.d.test 192.0.2.2" // the second host gets it
		doubt   = "deferred 451 4.4.2 local mx1.d.test 192.0.2.1"
		refused = "failed 550 5.1.1 mx1.d.test 192.0.2.1"
	)
	for name, c := range map[string]struct {
		do   hostile
		want string
		most time.Duration // default: 6 minutes
	}{
		"endless banner":         {do: endless("220-x\r\n", 0), want: second},
		"endless banner, slowly": {do: endless("220-x\r\n", time.Second), want: second},
		"endless line":           {do: endless("220 xxxxxxxxxxxxxxxxxxxxxxxxxxxx", 0), want: second},
		"a byte a second":        {do: endless("2", time.Second), want: second},
		"a good greeting, a byte a second": {do: func(conn net.Conn, in *bufio.Reader) {
			for _, b := range "220 hello\r\n" {
				fmt.Fprintf(conn, "%c", b)
				time.Sleep(time.Second)
			}
			endless("2", time.Second)(conn, in)
		}, want: second},
		"no greeting":           {do: lines(), want: second},
		"closes at once":        {do: lines("X"), want: second},
		"greets with 421":       {do: lines("S 421 4.3.2 away~"), want: second},
		"greets with 554":       {do: lines("S 554 5.3.2 no service~"), want: second},
		"greets with 250":       {do: lines("S 250 hello~"), want: second},
		"greets with nonsense":  {do: lines("S HTTP/1.1 400 Bad Request~"), want: second},
		"speaks TLS":            {do: lines("S \x16\x03\x01\x02\x00~"), want: second},
		"EHLO and HELO refused": {do: lines(hi, "C EHLO", "S 502 no~", "C HELO", "S 502 no~"), want: second},
		"EHLO refused":          {do: lines(hi, "C EHLO", "S 502 no~", "C HELO", "S 250 x~", "C MAIL", "S 250 x~", "C RCPT", "S 550 5.1.1 no~"), want: refused},
		"EHLO for ever": {do: func(conn net.Conn, in *bufio.Reader) {
			lines(hi, "C EHLO", "X")(conn, in)
			endless("250-AUTH x\r\n", 0)(conn, in)
		}, want: second},
		"EHLO with a huge line":         {do: lines(hi, "C EHLO", "S 250-x~250 "+strings.Repeat("A", 100_000)+"~"), want: second},
		"EHLO of 60 extensions":         {do: lines(hi, "C EHLO", "S "+strings.Repeat("250-XYZ abc~", 60)+"250 X~", "C MAIL", "S 250 x~", "C RCPT", "S 550 5.1.1 no~"), want: refused},
		"EHLO, two codes":               {do: lines(hi, "C EHLO", "S 250-x~251 y~"), want: second},
		"421 to MAIL":                   {do: then(ehlo, "C MAIL", "S 421 4.3.2 away~"), want: second},
		"closes at MAIL":                {do: then(ehlo, "C MAIL", "X"), want: second},
		"451 to MAIL":                   {do: then(ehlo, "C MAIL", "S 451 4.3.0 not now~503 a~503 b~", "C RSET", "S 250 x~"), want: second},
		"550 to MAIL":                   {do: then(ehlo, "C MAIL", "S 550 5.7.1 go away~503 a~503 b~", "C RSET", "S 250 x~"), want: "failed 550 5.7.1 mx1.d.test 192.0.2.1"},
		"354 to MAIL":                   {do: then(ehlo, "C MAIL", "S 354 go~"), want: second},
		"220 to MAIL":                   {do: then(ehlo, "C DATA", "S 220 x~220 x~554 x~", "C RSET", "S 250 x~"), want: "failed 554 5.0.0 mx1.d.test 192.0.2.1"},
		"hangs at RCPT":                 {do: then(ehlo, "C MAIL", "S 250 x~"), want: second},
		"421 to RCPT":                   {do: then(ehlo, "C RCPT", "S 250 x~421 away~"), want: second},
		"354 to RCPT":                   {do: then(ehlo, "C RCPT", "S 250 x~354 go~"), want: second},
		"replies before their commands": {do: lines("S 220 x~250 x~250 x~250 x~354 x~250 taken~"), want: second},
		"354 and closes":                {do: then(ehlo, "C DATA", "S 250 x~250 x~354 go~", "X"), want: doubt},
		"354 and hangs":                 {do: then(ehlo, "C DATA", "S 250 x~250 x~354 go~"), want: doubt, most: 11 * time.Minute},
		"closes after the dot":          {do: then(ehlo, "C DATA", "S 250 x~250 x~354 go~", "C .", "X"), want: doubt},
		"hangs after the dot":           {do: then(ehlo, "C DATA", "S 250 x~250 x~354 go~", "C ."), want: doubt, most: 11 * time.Minute},
		"nonsense after the dot":        {do: then(ehlo, "C DATA", "S 250 x~250 x~354 go~", "C .", "S yes!~"), want: doubt},
		"354 after the dot":             {do: then(ehlo, "C DATA", "S 250 x~250 x~354 go~", "C .", "S 354 more~"), want: doubt},
		"421 after the dot":             {do: then(ehlo, "C DATA", "S 250 x~250 x~354 go~", "C .", "S 421 4.3.2 away~"), want: second},
		"endless reply after the dot": {do: func(conn net.Conn, in *bufio.Reader) {
			then(ehlo, "C DATA", "S 250 x~250 x~354 go~", "C .", "X")(conn, in)
			endless("250-x\r\n", time.Second)(conn, in)
		}, want: doubt, most: 11 * time.Minute},
		"250 instead of 354":        {do: then(ehlo, "C DATA", "S 250 x~250 x~250 taken~"), want: second},
		"450 to DATA":               {do: then(ehlo, "C DATA", "S 250 x~250 x~450 4.3.0 no~", "C RSET", "S 250 x~"), want: "deferred 450 4.3.0 mx1.d.test 192.0.2.1"},
		"451 to the message":        {do: then(ehlo, "C DATA", "S 250 x~250 x~354 go~", "C .", "S 451 no~"), want: "deferred 451 4.3.0 mx1.d.test 192.0.2.1"},
		"552 to the message":        {do: then(ehlo, "C DATA", "S 250 x~250 x~354 go~", "C .", "S 552 no~"), want: "failed 552 5.3.4 mx1.d.test 192.0.2.1"},
		"250 before the dot":        {do: then(ehlo, "C DATA", "S 250 x~250 x~354 go~250 taken~"), want: second},
		"STARTTLS and more at once": {do: lines(hi, "C EHLO", "S 250-x~250 STARTTLS~", "C STARTTLS", "S 220 go~250 injected~"), want: second},
		"STARTTLS, then silence":    {do: lines(hi, "C EHLO", "S 250-x~250 STARTTLS~", "C STARTTLS", "S 220 go~"), want: second},
		"STARTTLS refused":          {do: lines(hi, "C EHLO", "S 250-x~250 STARTTLS~", "C STARTTLS", "S 454 not now~", "C MAIL", "S 250 x~", "C RCPT", "S 550 5.1.1 no~"), want: refused},
		"STARTTLS for ever": {do: func(conn net.Conn, in *bufio.Reader) {
			lines(hi, "C EHLO", "S 250-x~250 STARTTLS~", "C STARTTLS", "X")(conn, in)
			endless("220-x\r\n", 0)(conn, in)
		}, want: second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, Zone{"d.test": {MX(10, "mx1.d.test"), MX(20, "mx2.d.test")}, "mx1.d.test": {A("192.0.2.1")}, "mx2.d.test": {A("192.0.2.2")}})
				w.hosts["192.0.2.1"] = func(conn net.Conn) { c.do(conn, bufio.NewReader(conn)) }
				w.hosts["192.0.2.2"] = (&sink{}).serve
				tr, start := w.transport(), time.Now()
				wantOutcome(t, tr.Deliver(t.Context(), job("b@d.test")), c.want)
				if c.most == 0 {
					c.most = 6 * time.Minute
				}
				if d := time.Since(start); d > c.most*9/8 { // as smtpc.Timeouts says
					t.Errorf("it took %s", d)
				}
			})
		})
	}
}

// What a server says without end is not kept.
func TestEndlessTalkTakesNoMemory(t *testing.T) {
	for name, do := range map[string]hostile{
		"banner": endless("220-x\r\n", 0), "line": endless(strings.Repeat("2", 1000), 0),
		"EHLO": func(conn net.Conn, in *bufio.Reader) {
			lines(hi, "C EHLO", "X")(conn, in)
			endless("250-AUTH x\r\n", 0)(conn, in)
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, one())
			w.hosts["192.0.2.1"] = func(conn net.Conn) { do(conn, bufio.NewReader(conn)) }
			tr := w.transport()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			tr.Deliver(t.Context(), job("b@d.test"))
			runtime.ReadMemStats(&after)
			if n := after.TotalAlloc - before.TotalAlloc; n > 8<<20 { // the test itself keeps a thousand writes
				t.Errorf("%s: %d octets", name, n)
			}
		})
	}
}

// However many hosts play for time, an attempt ends.
func TestSlowHostsOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		z := Zone{}
		w := newWorld(t, z)
		for i := range 10 {
			host, a := fmt.Sprintf("mx%d.d.test", i), fmt.Sprintf("192.0.2.%d", i+1)
			z["d.test"], z[host] = append(z["d.test"], MX(10, host)), append(z[host], A(a))
			w.hosts[a] = func(conn net.Conn) { endless("2", time.Second)(conn, nil) }
		}
		start := time.Now()
		out := w.transport().Deliver(t.Context(), job("b@d.test"))
		if d := time.Since(start); d > 11*time.Minute*9/8 || !out[0].Destination || !out[0].Local {
			t.Errorf("%s after %s", shows(out), d)
		}
	})
}

// The end of the gateway ends an attempt, whatever it waits for.
// A Transport of an old configuration begins nothing any more.
func TestNothingBeginsAfterClose(t *testing.T) {
	t.Parallel()
	w := newWorld(t, one())
	tr := w.transport()
	tr.Close()
	wantOutcome(t, tr.Deliver(t.Context(), job("b@d.test")), "deferred 451 4.3.2 local")
	if w.dialled() != "" {
		t.Error(w.dialled())
	}
}

// What the queue cannot read is no server's fault: no other is asked.
func TestUnreadableMessage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Zone{"d.test": {MX(10, "a.test"), MX(20, "b.test")}, "a.test": {A("192.0.2.1")}, "b.test": {A("192.0.2.2")}})
		w.hosts["192.0.2.1"], w.hosts["192.0.2.2"] = (&sink{}).serve, (&sink{}).serve
		j := job("b@d.test")
		j.Open = func() (io.ReadCloser, error) { return nil, errors.New("bad sector") }
		wantOutcome(t, w.transport().Deliver(t.Context(), j), "deferred 451 4.3.0 local a.test 192.0.2.1")
		if w.dialled() != "192.0.2.1" {
			t.Errorf("dialled %s", w.dialled())
		}
	})
}

func TestShutdownEndsAttempts(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]hostile{"connect": nil, "greeting": lines(), "dot": then(ehlo, "C DATA", "S 250 x~250 x~354 go~", "C .")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, one())
				w.hosts["192.0.2.1"] = nil
				if do != nil {
					w.hosts["192.0.2.1"] = func(conn net.Conn) { do(conn, bufio.NewReader(conn)) }
				}
				tr := w.transport()
				ctx, cancel := contextFor(t, time.Second)
				defer cancel()
				out := tr.Deliver(ctx, job("b@d.test"))
				if out[0].Result != 0 || !out[0].Local || out[0].Destination {
					t.Error(shows(out))
				}
			})
		})
	}
}

// A reply that does not end may have been a good one: the message goes to no
// other host, where it would be there twice, and waits like others that were put
// off, which is until it expires.
func TestAReplyWithoutEndIsWaitedFor(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]struct {
		outcome string
		taken   int
	}{
		"END": {"deferred 451 4.4.2 local a.d.test 192.0.2.1", 1}, "DATA": {"deferred 451 4.5.0 local dest a.d.test 192.0.2.1", 0},
	} {
		for _, kept := range []int{0, 1} { // messages that the connection has carried
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, Zone{"d.test": {MX(10, "a.d.test"), MX(20, "b.d.test")}, "a.d.test": {A("192.0.2.1")}, "b.d.test": {A("192.0.2.2")}})
				s := &sink{replies: map[string]string{}}
				w.hosts["192.0.2.1"], w.hosts["192.0.2.2"] = s.serve, s.serve
				tr := w.transport()
				for range kept {
					tr.Deliver(t.Context(), job("b@d.test"))
				}
				s.set(line, strings.Repeat("250-more\n", 2500)+"250 taken")
				out := tr.Deliver(t.Context(), job("b@d.test"))
				wantOutcome(t, out, want.outcome)
				if n := len(s.taken()) - kept; n != want.taken || s.opened() > 3 || out[0].Retry != 0 || out[0].Untried {
					t.Errorf("%s, %d before: %d sent over %d connections, %+v", line, kept, n, s.opened(), out[0])
				}
			})
		}
	}
}
