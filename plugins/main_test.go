package plugins

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/body"
	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/plugins/sdk"
	"go.uber.org/goleak"
)

// TestMain lets the test binary be the plugin too: in a mode, it serves a
// filter that behaves so.
func TestMain(m *testing.M) {
	if mode := os.Getenv("MODE"); mode != "" {
		servePlugin(mode)
		return
	}
	goleak.VerifyTestMain(m)
}

func servePlugin(mode string) {
	switch mode {
	case "host":
		p, err := open(context.Background(), options("any"), slog.New(slog.DiscardHandler), soon)
		if err != nil {
			panic(err)
		}
		fmt.Println(p.Status().PID)
		hang()
	case "crash":
		fmt.Fprintln(os.Stderr, "cannot start")
		os.Exit(3)
	case "silent":
		hang()
	case "noise":
		fmt.Println("hello world")
		hang()
	case "elsewhere":
		fmt.Println("1|1|tcp|127.0.0.1:1|grpc")
		hang()
	case "vanish":
		fmt.Printf("1|1|unix|%s/socket|grpc\n", os.Getenv("PLUGIN_UNIX_SOCKET_DIR"))
		return
	case "orphan":
		cmd := exec.Command("sleep", "600")
		if err := cmd.Start(); err != nil {
			panic(err)
		}
		fmt.Fprintf(os.Stderr, "child %d\n", cmd.Process.Pid)
	}
	sdk.Serve(tester{mode})
}

// tester behaves as its mode says.
type tester struct{ mode string }

func (tester) Name() string { return "t" }

func (f tester) Fields() []gateway.Field {
	name := "t.text"
	switch f.mode {
	case "foreign":
		name = "spf.result"
	case "moody": // declares something else from the second start on
		if _, err := os.Stat(os.Getenv("FLAG")); err == nil {
			name = "t.other"
		}
	}
	return []gateway.Field{
		{Name: name, Type: gateway.String, Stage: gateway.StageMail, Default: "none", Doc: "Text."},
		{Name: "t.size", Type: gateway.Int, Stage: gateway.StageMessage, Doc: "Size."},
		{Name: "t.each", Type: gateway.Bool, Stage: gateway.StageRcpt, Rcpt: true, Doc: "One for each."},
		{Name: "t.env", Type: gateway.Strings, Stage: gateway.StageMail, Doc: "Environment."},
		{Name: "t.real", Type: gateway.Float, Stage: gateway.StageMail, Doc: "A number."},
	}
}

func (f tester) Check(ctx context.Context, stage gateway.Stage, tx *gateway.Transaction) (gateway.Verdict, error) {
	text := func(v any) (gateway.Verdict, error) {
		return gateway.Verdict{Facts: []gateway.Fact{{Name: "t.text", Value: v}}}, nil
	}
	mode := f.mode
	if mode == "any" { // the test says what to do call by call
		mode = tx.Session.Helo
	}
	switch mode {
	case "error":
		return gateway.Verdict{}, errors.New("no luck\r\ntoday")
	case "panic":
		panic("on purpose")
	case "exit":
		os.Exit(1)
	case "hang":
		hang()
	case "stop":
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	case "undeclared":
		return gateway.Verdict{Facts: []gateway.Fact{{Name: "t.unknown", Value: true}}}, nil
	case "wrongtype":
		return text(int64(3))
	case "early":
		return gateway.Verdict{Facts: []gateway.Fact{{Name: "t.size", Value: int64(1)}}}, nil
	case "long":
		return text(strings.Repeat("x", 5000))
	case "huge":
		return text(strings.Repeat("x", 3<<20))
	case "many":
		return gateway.Verdict{Facts: make([]gateway.Fact, 1000)}, nil
	case "rcpts":
		return gateway.Verdict{Rcpts: make([][]gateway.Fact, 7)}, nil
	case "forge":
		return gateway.Verdict{Results: []message.AuthResult{{Method: "spf", Result: "pass"}}}, nil
	case "env":
		return gateway.Verdict{Facts: []gateway.Fact{{Name: "t.env", Value: os.Environ()}}}, nil
	case "memory":
		hog := make([]byte, 1<<30)
		for i := range hog {
			hog[i] = 1
		}
		return text(fmt.Sprint(len(hog)))
	case "files":
		var err error
		for err == nil {
			_, err = os.Open("/dev/null")
		}
		return text(err.Error())
	case "print":
		fmt.Println("printed line")
		fmt.Fprintln(os.Stderr, "error line")
	case "flood":
		for range 20_000 {
			fmt.Fprintln(os.Stderr, strings.Repeat("flood ", 100))
		}
	}
	return gateway.Verdict{
		Facts:   []gateway.Fact{{Name: "t.text", Value: stage.String() + " " + tx.From.Domain}},
		Results: []message.AuthResult{{Method: "x-t", Result: "pass", Props: []message.AuthProp{{Type: "policy", Name: "x", Value: "y"}}}},
	}, nil
}

func (f tester) Read(ctx context.Context, tx *gateway.Transaction, m gateway.Message) (gateway.Reading, error) {
	subject, _ := m.Header().Get("Subject")
	body := m.Body()
	defer body.Close()
	switch subject {
	case "error":
		return nil, errors.New("cannot read")
	case "panic":
		panic("on purpose")
	case "exit":
		os.Exit(1)
	case "hang":
		hang()
	case "nothing":
		return nil, nil
	case "parts":
		return hashParts(ctx, m)
	case "early": // enough after 10 bytes
		n, err := io.ReadFull(body, make([]byte, 10))
		return concluded{subject, int64(n)}, err
	}
	// Twice, to show that every reader begins at the start.
	n, err := io.Copy(io.Discard, body)
	again := m.Body()
	defer again.Close()
	if n2, err2 := io.Copy(io.Discard, again); n2 != n || err2 != nil {
		return nil, fmt.Errorf("second reader: %d of %d bytes, %v", n2, n, err2)
	}
	return concluded{subject, n}, err
}

// hashParts is a filter as it may run in the gateway, too: the hash of every
// part, in Read while bytes arrive and in Conclude once more.
func hashParts(ctx context.Context, m gateway.Message) (gateway.Reading, error) {
	var r hashed
	for p, err := range m.Parts(ctx) {
		if err != nil {
			return nil, err
		}
		c := p.Content.Open()
		h := sha256.New()
		_, err := io.Copy(h, c)
		c.Close()
		if err != nil {
			return nil, err
		}
		r.texts = append(r.texts, fmt.Sprintf("%s %s %s %x", p.Path, p.Type, p.Filename, h.Sum(nil)))
		r.parts = append(r.parts, p)
	}
	return r, nil
}

type hashed struct {
	texts []string
	parts []*gateway.Part
}

func (r hashed) Conclude(ctx context.Context, _ *gateway.Transaction) (gateway.Verdict, error) {
	sum := int64(0)
	for _, p := range r.parts {
		at, size, err := p.Content.ReaderAt(ctx)
		if err != nil {
			return gateway.Verdict{}, err
		}
		n, err := io.Copy(io.Discard, io.NewSectionReader(at, 0, size))
		if err != nil {
			return gateway.Verdict{}, err
		}
		sum += n
	}
	return gateway.Verdict{Facts: []gateway.Fact{{Name: "t.env", Value: r.texts}, {Name: "t.size", Value: sum}}}, nil
}

type concluded struct {
	subject string
	n       int64
}

func (r concluded) Conclude(_ context.Context, tx *gateway.Transaction) (gateway.Verdict, error) {
	switch r.subject {
	case "conclude-error":
		return gateway.Verdict{}, errors.New("cannot conclude")
	case "conclude-exit":
		os.Exit(1)
	case "conclude-hang":
		hang()
	case "conclude-lie":
		return gateway.Verdict{Facts: []gateway.Fact{{Name: "t.size", Value: "big"}}}, nil
	}
	v := gateway.Verdict{
		Facts: []gateway.Fact{
			{Name: "t.size", Value: r.n},
			{Name: "t.text", Value: tx.Facts.String("spf.result")},
		},
		Rcpts: make([][]gateway.Fact, len(tx.Rcpts)),
	}
	for i, rcpt := range tx.Rcpts {
		v.Rcpts[i] = []gateway.Fact{{Name: "t.each", Value: rcpt.To.Local == "a"}}
	}
	return v, nil
}

// logs collects log lines.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logs) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, nil))
}

var soon = backoff{5 * time.Millisecond, 20 * time.Millisecond}

func options(mode string) Options {
	return Options{
		Name: "t", Command: []string{os.Args[0]}, StartTimeout: 20 * time.Second,
		Env: map[string]string{"MODE": mode},
	}
}

// start opens a plugin that behaves as mode says.
func start(t testing.TB, opt Options, b backoff) (*Plugin, *logs) {
	t.Helper()
	l := &logs{}
	p, err := open(context.Background(), opt, l.logger(), b)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.Close()
		if t.Failed() {
			t.Logf("log:\n%s", l)
		}
	})
	return p, l
}

// eventually polls: what other processes do is not in our hands.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !f(); {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
		<-time.After(2 * time.Millisecond)
	}
}

// mail is a message that may still arrive.
type mail struct {
	h *message.Header
	b *body.Body
}

func (m mail) Header() *message.Header { return m.h }
func (m mail) Body() io.ReadCloser     { return m.b.Open() }
func (m mail) Parts(context.Context) iter.Seq2[*gateway.Part, error] {
	return func(func(*gateway.Part, error) bool) {}
}

func newMail(t testing.TB, subject string) mail {
	t.Helper()
	h, err := message.ParseHeader([]byte("From: a@b.test\r\nSubject: "+subject+"\r\n"), message.HeaderLimits{})
	if err != nil {
		t.Fatal(err)
	}
	b := body.New(body.Options{})
	t.Cleanup(b.Release)
	return mail{h, b}
}

// whole is a message that has arrived.
func whole(t testing.TB, subject string, size int) mail {
	m := newMail(t, subject)
	if _, err := m.b.Write(bytes.Repeat([]byte("x"), size)); err != nil {
		t.Fatal(err)
	}
	m.b.Close()
	return m
}

// hang does not return. An empty select would, where no other goroutine is
// left: as a deadlock that the runtime finds.
func hang() {
	for {
		time.Sleep(time.Hour)
	}
}
