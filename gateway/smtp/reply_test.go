package smtp

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

func TestRepliesOnTheWire(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		r    Reply
		want string
	}{
		{NewReply(250, EnhancedCode{2, 1, 0}, "fine"), "250 2.1.0 fine\r\n"},
		{NewReply(250, EnhancedCode{}, "a\nb\nc"), "250-a\r\n250-b\r\n250 c\r\n"},
		{NewReply(250, EnhancedCode{2, 0, 0}, "a\r\nb\n"), "250-2.0.0 a\r\n250 2.0.0 b\r\n"},
		{NewReply(550, EnhancedCode{5, 7, 1}, "x\rMAIL\x00\x7f ñ"), "550 5.7.1 x MAIL   ??\r\n"},
		{NewReply(354, EnhancedCode{3, 0, 0}, "go"), "354 go\r\n"},
		{NewReply(450, EnhancedCode{5, 7, 1}, "later"), "450 4.7.1 later\r\n"},
		{Reply{}, "451 4.3.0 local error in processing\r\n"},
		{NewReply(999, EnhancedCode{}, "x"), "451 4.3.0 local error in processing\r\n"},
		{NewReply(250, EnhancedCode{}, ""), "250 \r\n"},
	} {
		if got := string(c.r.Append(nil)); got != c.want {
			t.Errorf("%+v: %q, want %q", c.r, got, c.want)
		}
	}
}

func TestReplyLinesAreWrapped(t *testing.T) {
	t.Parallel()
	for _, text := range []string{strings.Repeat("word ", 400), strings.Repeat("x", 2000), strings.Repeat("y\n", 3000)} {
		out := NewReply(550, EnhancedCode{5, 7, 1}, text).Append(nil)
		lines := bytes.SplitAfter(bytes.TrimSuffix(out, []byte("\r\n")), []byte("\r\n"))
		if len(lines) > MaxReplyLines {
			t.Errorf("%d lines", len(lines))
		}
		for i, l := range lines {
			sep := byte('-')
			if i == len(lines)-1 {
				sep = ' '
			}
			if len(l) > MaxReplyLine || l[3] != sep || !bytes.HasPrefix(l[4:], []byte("5.7.1 ")) {
				t.Errorf("%d: %q", i, l)
			}
		}
	}
}

func TestRepliesAreRead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   string
		want Reply
		err  error
	}{
		{in: "250 2.1.0 fine\r\n", want: NewReply(250, EnhancedCode{2, 1, 0}, "fine")},
		{in: "250\r\n", want: NewReply(250, EnhancedCode{}, "")},
		{in: "250 2.1.0\r\n", want: NewReply(250, EnhancedCode{2, 1, 0}, "")},
		{in: "550-5.7.1 a\r\n550 5.7.1 b\r\n", want: NewReply(550, EnhancedCode{5, 7, 1}, "a\nb")},
		{in: "550-5.7.1 a\r\n550 b\r\n", want: NewReply(550, EnhancedCode{5, 7, 1}, "a\nb")},
		{in: "550 4.7.1 a\r\n", want: NewReply(550, EnhancedCode{}, "4.7.1 a")},
		{in: "550 5.7.1000 a\r\n", want: NewReply(550, EnhancedCode{}, "5.7.1000 a")},
		{in: "550 5.7.1x\r\n", want: NewReply(550, EnhancedCode{}, "5.7.1x")},
		{in: "250-a\x00\x1b\r\n250 b\n", want: NewReply(250, EnhancedCode{}, "a  \nb")},
		{in: "250-a\r\n251 b\r\n", err: ErrReplyCodes},
		{in: "150 a\r\n", err: ErrReplySyntax},
		{in: "25\r\n", err: ErrReplySyntax},
		{in: "250_a\r\n", err: ErrReplySyntax},
		{in: strings.Repeat("250-a\r\n", maxLongReply-1) + "250 b\r\n", want: NewReply(250, EnhancedCode{}, strings.Repeat("a\n", maxLongReply-1)+"b")},
		{in: strings.Repeat("250-a\r\n", MaxReplyLines+50) + "550 b\r\n", err: ErrReplyCodes},
		{in: strings.Repeat("250-a\r\n", maxLongReply+1), err: ErrReplyLong},
		{in: "250-a\r\n250-" + strings.Repeat("a", MaxReplyText) + "\r\n250 b\r\n", want: NewReply(250, EnhancedCode{}, "a\nb")},
	} {
		r, err := readReply(c.in)
		if r != c.want || err != c.err {
			t.Errorf("%q: %+v, %v", c.in, r, err)
		}
	}
}

func readReply(s string) (Reply, error) {
	var p ReplyParser
	for line := range strings.Lines(s) {
		r, done, err := p.Add([]byte(line))
		if done || err != nil {
			return r, err
		}
	}
	return Reply{}, fmt.Errorf("no end")
}

func TestCommands(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in, verb, arg string
		ok            bool
	}{
		{"EHLO x", "EHLO", "x", true},
		{"mail From:<a>  ", "MAIL", "From:<a>", true},
		{"NOOP", "NOOP", "", true},
		{"WHATISTHIS", "WHATISTHIS", "", true},
		{"", "", "", false},
		{" EHLO x", "", "", false},
		{"EHLO\tx", "", "", false},
		{"NOOP a\x00b", "", "", false},
		{"NOOP a\rb", "", "", false},
		{"GET/ HTTP", "", "", false},
		{"ABCDEFGHIJKLMNOPQ", "", "", false},
	} {
		verb, arg, ok := ParseCommand([]byte(c.in))
		if verb != c.verb || arg != c.arg || ok != c.ok {
			t.Errorf("%q: %q, %q, %v", c.in, verb, arg, ok)
		}
	}
}

func FuzzReply(f *testing.F) {
	f.Add("250-2.1.0 a\r\n250 2.1.0 b\r\n")
	f.Add("550 5.7.1\r\n")
	f.Fuzz(func(t *testing.T, s string) {
		r, err := readReply(s)
		if err != nil {
			return
		}
		out := r.Append(nil)
		for line := range bytes.Lines(out) {
			if len(line) > MaxReplyLine || !bytes.HasSuffix(line, []byte("\r\n")) || bytes.Count(line, []byte{'\r'}) != 1 {
				t.Fatalf("%q", line)
			}
		}
		again, err := readReply(string(out))
		if err != nil || again.Code != r.Code {
			t.Fatalf("%q printed as %q: %v", s, out, err)
		}
		third, err := readReply(string(again.Append(nil)))
		if err != nil || third != again {
			t.Fatalf("%q is not stable: %+v, %+v, %v", s, again, third, err)
		}
	})
}
