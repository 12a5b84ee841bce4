package antivirus

import (
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/gapura-mail/gapura/filters/filtertest"
	"github.com/gapura-mail/gapura/gateway"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const plain = "From: a@b.test\nSubject: x\n\nbody\n"

func newFilter(t *testing.T, opt Options) *Filter {
	t.Helper()
	f, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// judge runs the filter and describes its verdict.
func judge(t *testing.T, f *Filter, m *filtertest.Message) (string, error) {
	t.Helper()
	v, err := filtertest.Judge(t.Context(), f, filtertest.Transaction("192.0.2.1", "h"), m)
	if err != nil {
		return "", err
	}
	got := filtertest.Values(t, f, v)
	return strings.TrimSpace(fmt.Sprint(got["antivirus.result"], " ", got["antivirus.virus"], " ", got["antivirus.part"])), nil
}

func TestTheWholeMessageIsScanned(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]int{"small": 10, "fills the buffer": bufferSize - 60, "more than a chunk": chunkSize + 1, "large": 3 << 20} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := startFake(t, nil)
			raw := "Subject: x\r\n\r\n" + strings.Repeat("0123456\r\n", size/9)
			if got, err := judge(t, newFilter(t, Options{Clamd: Addresses{d.addr()}}), filtertest.New(t, raw)); got != "clean" || err != nil {
				t.Errorf("%q, %v", got, err)
			}
			if _, streams := d.seen(); len(streams) != 1 || streams[0] != raw {
				t.Error("clamd got something else")
			}
		})
	}
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	for reply, want := range map[string]string{
		"stream: OK":                          "clean",
		"stream: Eicar-Test-Signature FOUND":  "infected Eicar-Test-Signature",
		"stream: Win.Test a b(00ff:68) FOUND": "infected Win.Test a b(00ff:68)",
		"stream: Ev\x01l\xff FOUND":           "infected Ev?l?",
		"INSTREAM size limit exceeded. ERROR": "too_large",
		"stream: Can't allocate memory ERROR": "error",
		"OKAY":                                "error",
		"":                                    "error",
		strings.Repeat("x", maxReply+1):       "error",
	} {
		t.Run(reply[:min(len(reply), 40)], func(t *testing.T) {
			t.Parallel()
			d := startFake(t, func(s *session) {
				if _, ok := s.all(); ok {
					s.say(reply)
				}
			})
			got, err := judge(t, newFilter(t, Options{Clamd: Addresses{d.addr()}}), filtertest.New(t, plain))
			if err != nil {
				got = "error"
			}
			if got != want {
				t.Errorf("%q, want %q (%v)", got, want, err)
			}
		})
	}
}

func TestDecodedFilesAreScanned(t *testing.T) {
	t.Parallel()
	d := startFake(t, nil)
	f := newFilter(t, Options{Clamd: Addresses{d.addr()}})
	m := filtertest.New(t, plain)
	m.List = []*gateway.Part{
		{Path: "1", Type: "text/plain", Content: filtertest.Content("shown text")},
		{Path: "2", Type: "text/plain", Filename: "a.txt", Content: filtertest.Content("a file")},
		{Path: "3", Type: "application/pdf", Content: filtertest.Content("")},
		{Path: "1@lenient", Reading: "lenient", Content: filtertest.Content("harmless")},
		{Path: "2@lenient", Reading: "lenient", Content: filtertest.Content("a VIRUS")},
		{Path: "3@lenient", Reading: "lenient", Content: filtertest.Content("never looked at")},
	}
	if got, err := judge(t, f, m); got != "infected Test.Virus 2@lenient" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	_, streams := d.seen()
	if slices.Contains(streams, "shown text") || slices.Contains(streams, "") || !slices.Contains(streams, "a file") || slices.Contains(streams, "never looked at") || !slices.Contains(streams, "harmless") {
		t.Errorf("scanned %q", streams)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	var a Addresses
	if err := a.UnmarshalText([]byte("127.0.0.1:3310, /run/clamd.sock")); err != nil || len(a) != 2 || a[1] != "/run/clamd.sock" {
		t.Errorf("%q, %v", a, err)
	}
	for _, opt := range []Options{{Clamd: Addresses{"nonsense"}}, {Clamd: Addresses{""}}, {MaxConnections: -1}, {MaxConnections: 1001}, {Clamd: make(Addresses, 17)}} {
		if _, err := New(opt); err == nil {
			t.Errorf("%+v is taken", opt)
		}
	}
	if f := newFilter(t, Options{}); len(f.pool.daemons[0].places) != len(usual) || cap(f.pool.slots) < leastConnections {
		t.Error("defaults")
	}
	for _, c := range []struct {
		addr             string
		processors, want int
	}{
		{"127.0.0.1:3310", 1, 4},
		{"[::1]:3310", 3, 6},
		{"localhost:3310", 64, 10},
		{"/run/clamd.sock", 4, 8},
		{local, 4, 8},
		{"192.0.2.1:3310", 1, 10},
		{"clamd.example:3310", 64, 10},
	} {
		if got := connections(c.addr, c.processors); got != c.want {
			t.Errorf("%s, %d processors: %d", c.addr, c.processors, got)
		}
	}
}

func FuzzReply(f *testing.F) {
	for _, s := range []string{"stream: OK\x00", "stream: X FOUND\x00", "INSTREAM size limit exceeded. ERROR\x00", "OK", "stream: OK FOUND\n", " FOUND\x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		line, err := readReply(strings.NewReader(string(b)))
		if err != nil {
			return
		}
		v, err := parseReply(line)
		if (err == nil) != (v.outcome != 0) || len(v.virus) > maxVirus {
			t.Errorf("%q: %+v, %v", b, v, err)
		}
	})
}

func BenchmarkScan(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	d := &fake{Listener: l}
	d.wg.Add(1)
	go d.serve(func(s *session) {
		for p, ok := s.chunk(); ok && len(p) > 0; p, ok = s.chunk() {
		}
		s.say("stream: OK")
	})
	defer func() { l.Close(); d.wg.Wait() }()
	for _, size := range []int{4 << 10, 1 << 20} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			body := strings.Repeat("x", size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				v, err := scan(context.Background(), "tcp", d.addr(), func(w io.Writer) error {
					_, err := strings.NewReader(body).WriteTo(w)
					return err
				})
				if v.outcome != clean || err != nil {
					b.Fatal(v, err)
				}
			}
		})
	}
}
