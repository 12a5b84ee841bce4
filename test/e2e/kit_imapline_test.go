package e2e_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// imapLine speaks IMAP line by line, and nothing by itself. It takes failures
// as they come: the server may be killed at any time.
type imapLine struct {
	conn net.Conn
	r    *bufio.Reader
	tag  int
	// untagged, when not nil, is shown what comes before the tagged answer, as
	// soon as it comes.
	untagged func(answer)
}

// answer is a response of the server: its line without literals, and these.
type answer struct {
	text string
	lits []string
}

// refusal is a tagged NO or BAD.
type refusal string

func (r refusal) Error() string { return string(r) }

// dialIMAP connects and logs in.
func dialIMAP(addr, user, password string) (*imapLine, error) {
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(2 * patience))
	c := &imapLine{conn: conn, r: bufio.NewReader(conn)}
	if _, err = c.read(); err == nil {
		_, _, err = c.do("LOGIN %s %s", user, password)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return c, nil
}

var endsInLiteral = regexp.MustCompile(`\{(\d+)\+?\}$`)

// read reads one response.
func (c *imapLine) read() (a answer, err error) {
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			return a, err
		}
		a.text += strings.TrimSuffix(line, "\r\n")
		m := endsInLiteral.FindStringSubmatchIndex(a.text)
		if m == nil {
			return a, nil
		}
		n, err := strconv.Atoi(a.text[m[2]:m[3]])
		if err != nil {
			return a, err
		}
		b := make([]byte, n)
		if _, err := io.ReadFull(c.r, b); err != nil {
			return a, err
		}
		a.lits = append(a.lits, string(b))
		a.text = a.text[:m[0]]
	}
}

// do sends a command and returns what was untagged, and the tagged answer.
func (c *imapLine) do(format string, args ...any) ([]answer, string, error) {
	c.tag++
	tag := fmt.Sprint("t", c.tag, " ")
	if _, err := io.WriteString(c.conn, tag+fmt.Sprintf(format, args...)+"\r\n"); err != nil {
		return nil, "", err
	}
	var list []answer
	for {
		a, err := c.read()
		if err != nil {
			return list, "", err
		}
		if end, ok := strings.CutPrefix(a.text, tag); ok {
			if !strings.HasPrefix(end, "OK") {
				return list, end, refusal(end)
			}
			return list, end, nil
		}
		if c.untagged != nil {
			c.untagged(a)
		}
		list = append(list, a)
	}
}

// literals is what APPEND carries: LITERAL+.
func literals(messages ...string) string {
	var b strings.Builder
	for _, m := range messages {
		fmt.Fprintf(&b, " {%d+}\r\n%s", len(m), m)
	}
	return b.String()
}

var (
	fetchUID    = regexp.MustCompile(`[( ]UID (\d+)`)
	fetchFlags  = regexp.MustCompile(`FLAGS \(([^)]*)\)`)
	fetchModSeq = regexp.MustCompile(`MODSEQ \((\d+)\)`)
	fetchSize   = regexp.MustCompile(`RFC822\.SIZE (\d+)`)
	isFetch     = regexp.MustCompile(`^\* \d+ FETCH \(`)
	copied      = regexp.MustCompile(`\[(?:COPYUID|APPENDUID) (\d+) (?:(\S+) )?(\S+)\]`)
)

// number returns what the first group matches, or 0.
func number(re *regexp.Regexp, s string) uint64 {
	m := re.FindStringSubmatch(s)
	if m == nil {
		return 0
	}
	n, _ := strconv.ParseUint(m[1], 10, 64)
	return n
}

// coded returns the number of a response code or STATUS item.
func coded(list []answer, name string) uint64 {
	re := regexp.MustCompile(`[\[( ]` + name + ` (\d+)[\]) ]`)
	for _, a := range list {
		if n := number(re, a.text); n > 0 {
			return n
		}
	}
	return 0
}

// uidSet reads a set without stars.
func uidSet(s string) (list []uint32) {
	for part := range strings.SplitSeq(s, ",") {
		from, to, many := strings.Cut(part, ":")
		if !many {
			to = from
		}
		a, _ := strconv.ParseUint(from, 10, 32)
		b, _ := strconv.ParseUint(to, 10, 32)
		for n := min(a, b); n <= max(a, b); n++ {
			list = append(list, uint32(n))
		}
	}
	return list
}

// setOf writes UIDs.
func setOf(uids []uint32) string {
	var b strings.Builder
	for i, n := range uids {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprint(&b, n)
	}
	return b.String()
}
