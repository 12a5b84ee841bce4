package imapd_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// script is a test of Dovecot's imaptest (its format is at
// doc.dovecot.org, Scripted Testing Configuration).
type script struct {
	name         string
	capabilities []string
	connections  int
	messages     int // -1: all
	state        string
	extra        bool // untagged replies that are not listed are ignored
	mbox         []mboxMessage
	groups       []*group
	broken       error // it cannot be read; what it needs is known
}

// group are commands sent together, and what is expected of them.
type group struct {
	line     int
	conn     int
	commands []*scripted
	untagged []*expectation
}

// scripted is one command.
type scripted struct {
	tag    string // of the script; "": it is alone
	text   string
	status string // ok, no, bad, "": any
	prefix string // of the reply
	line   int
}

// expectation is an untagged reply that must come, or must not.
type expectation struct {
	text string
	not  bool
	may  bool
	line int
}

type mboxMessage struct {
	date string // for APPEND
	text string
}

var (
	taggedLine = regexp.MustCompile(`^(tag\S*) (.*)$`)
	statusLine = regexp.MustCompile(`^(?i:(ok|no|bad)|"")(?: (.*))?$`)
)

func readScript(dir, name string) (*script, error) {
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return nil, err
	}
	s := &script{name: name, connections: 1, messages: -1, state: "selected", extra: true}
	head, body, _ := strings.Cut(string(b), "\n\n")
	at := strings.Count(head, "\n") + 2
	for l := range strings.SplitSeq(head, "\n") {
		if err := s.header(l); err != nil {
			return nil, err
		}
	}
	mbox := filepath.Join(dir, name+".mbox")
	if _, err := os.Stat(mbox); err != nil {
		mbox = filepath.Join(dir, "default.mbox")
	}
	if s.mbox, err = readMbox(mbox); err != nil {
		return nil, err
	}
	skip := 0
	for l := range strings.SplitSeq(body, "\n") {
		at++
		l = strings.TrimSpace(l)
		switch {
		case strings.HasPrefix(l, "!ifenv"):
			skip++
		case strings.HasPrefix(l, "!else"):
			skip ^= 1
		case strings.HasPrefix(l, "!endif"):
			skip = 0
		case l == "" || l[0] == '#' || skip > 0 || strings.HasPrefix(l, "!ifnenv"):
		default:
			if err := s.line(l, at); err != nil {
				s.broken = fmt.Errorf("%s:%d: %w", name, at, err)
				return s, nil
			}
		}
	}
	return s, nil
}

func (s *script) header(l string) error {
	key, value, ok := strings.Cut(l, ":")
	if !ok || strings.HasPrefix(l, "#") {
		return nil
	}
	value = strings.TrimSpace(value)
	switch strings.TrimSpace(key) {
	case "capabilities":
		s.capabilities = strings.Fields(strings.ToUpper(value))
	case "connections":
		s.connections, _ = strconv.Atoi(value)
	case "messages":
		if value != "all" {
			s.messages, _ = strconv.Atoi(value)
		}
	case "state":
		s.state = value
	case "ignore_extra_untagged":
		s.extra = value == "yes"
	case "user 2":
	default:
		return fmt.Errorf("%s: unknown header %q", s.name, l)
	}
	return nil
}

// line takes a line of the body.
func (s *script) line(l string, at int) error {
	for _, mark := range []string{"* ", "! ", "? "} {
		if rest, ok := strings.CutPrefix(l, mark); ok {
			if len(s.groups) == 0 {
				return fmt.Errorf("a reply without a command")
			}
			g := s.groups[len(s.groups)-1]
			g.untagged = append(g.untagged, &expectation{text: rest, not: mark == "! ", may: mark == "? ", line: at})
			return nil
		}
	}
	conn := 0
	if n, rest, ok := strings.Cut(l, " "); ok {
		if k, err := strconv.Atoi(n); err == nil {
			if s.connections > 1 {
				conn = k - 1
			}
			l = rest
		}
	}
	last := s.open()
	if m := taggedLine.FindStringSubmatch(l); m != nil {
		return s.tagged(last, m[1], m[2], conn, at)
	}
	m := statusLine.FindStringSubmatch(l)
	if last != nil {
		if m == nil {
			return fmt.Errorf("no reply to the command before")
		}
		last.commands[0].status, last.commands[0].prefix = strings.ToLower(m[1]), m[2]
		return nil
	}
	c := &scripted{text: l, status: "open", line: at}
	if m != nil {
		c.status, c.text = strings.ToLower(m[1]), m[2]
	}
	s.groups = append(s.groups, &group{line: at, conn: conn, commands: []*scripted{c}})
	return nil
}

// open returns the last group if it waits for replies.
func (s *script) open() *group {
	if len(s.groups) == 0 {
		return nil
	}
	g := s.groups[len(s.groups)-1]
	for _, c := range g.commands {
		if c.status == "open" {
			return g
		}
	}
	return nil
}

func (s *script) tagged(last *group, tag, rest string, conn, at int) error {
	if last != nil {
		for _, c := range last.commands {
			if c.tag != tag {
				continue
			}
			m := statusLine.FindStringSubmatch(rest)
			if m == nil {
				return fmt.Errorf("no reply")
			}
			c.status, c.prefix = strings.ToLower(m[1]), m[2]
			return nil
		}
	}
	c := &scripted{tag: tag, text: rest, status: "open", line: at}
	if last == nil {
		last = &group{line: at, conn: conn}
		s.groups = append(s.groups, last)
	}
	last.commands = append(last.commands, c)
	return nil
}

// readMbox reads messages with the dates of their From lines.
func readMbox(name string) (list []mboxMessage, err error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	b = append([]byte("\n"), bytes.TrimSuffix(b, []byte("\n"))...)
	for _, part := range bytes.Split(b, []byte("\nFrom "))[1:] {
		from, text, _ := strings.Cut(string(part), "\n")
		m := mboxMessage{text: strings.ReplaceAll(text, "\n", "\r\n")}
		f := strings.Fields(from)
		zone := "+0000"
		if len(f) == 7 {
			zone = f[6]
		}
		if len(f) >= 6 {
			t, err := time.Parse("Jan 2 15:04:05 2006 -0700", strings.Join(f[2:6], " ")+" "+zone)
			if err != nil {
				return nil, err
			}
			m.date = t.Format(`"_2-Jan-2006 15:04:05 -0700"`)
		}
		list = append(list, m)
	}
	return list, nil
}
