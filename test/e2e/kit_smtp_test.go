package e2e_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// client speaks SMTP line by line, and nothing by itself.
type client struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
}

// reply is what the server said: a code and its lines' text.
type reply struct {
	code int
	text string
}

func (r reply) String() string { return fmt.Sprintf("%d %s", r.code, r.text) }

// connect opens a connection without reading from it.
func connect(t testing.TB, addr string) *client {
	t.Helper()
	network := "tcp"
	if strings.HasPrefix(addr, "/") {
		network = "unix"
	}
	conn, err := net.DialTimeout(network, addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(2 * patience))
	return &client{t: t, conn: conn, r: bufio.NewReader(conn)}
}

// dial connects, reads the greeting and says EHLO.
func dial(t testing.TB, addr string) *client {
	t.Helper()
	c := connect(t, addr)
	c.hello()
	return c
}

func (c *client) hello() {
	c.t.Helper()
	c.want(220)
	if strings.HasPrefix(c.conn.RemoteAddr().Network(), "unix") {
		c.ok(250, "LHLO mail.sender.test")
		return
	}
	c.ok(250, "EHLO mail.sender.test")
}

// dialAs connects to the XCLIENT listener as another client.
func dialAs(t testing.TB, g *gapura, ip string) *client {
	t.Helper()
	c := dial(t, g.xclient)
	c.ok(220, "XCLIENT ADDR="+ip+" PORT=4321")
	c.ok(250, "EHLO mail.sender.test")
	return c
}

// startTLS begins TLS and checks the server's certificate.
func (c *client) startTLS(name string) {
	c.t.Helper()
	c.ok(220, "STARTTLS")
	conn := tls.Client(c.conn, trusting(name))
	if err := conn.Handshake(); err != nil {
		c.t.Fatal(err)
	}
	c.conn, c.r = conn, bufio.NewReader(conn)
	c.ok(250, "EHLO mail.sender.test")
}

// read reads one reply.
func (c *client) read() (reply, error) {
	var lines []string
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			return reply{}, fmt.Errorf("reading a reply: %w (%q)", err, line)
		}
		if len(line) < 5 || !strings.HasSuffix(line, "\r\n") {
			return reply{}, fmt.Errorf("malformed reply %q", line)
		}
		lines = append(lines, strings.TrimSuffix(line[4:], "\r\n"))
		if line[3] != '-' {
			var code int
			_, err := fmt.Sscanf(line, "%3d", &code)
			return reply{code, strings.Join(lines, "\n")}, err
		}
	}
}

// want reads a reply that has this code.
func (c *client) want(code int) reply {
	c.t.Helper()
	r, err := c.read()
	if err != nil {
		c.t.Fatal(err)
	}
	if r.code != code {
		c.t.Fatalf("got %q, want %d", r, code)
	}
	return r
}

// cmd sends a line and reads the reply.
func (c *client) cmd(line string) reply {
	c.t.Helper()
	c.send(line + "\r\n")
	r, err := c.read()
	if err != nil {
		c.t.Fatalf("%s: %v", line, err)
	}
	return r
}

// ok sends a line, whose reply must have this code.
func (c *client) ok(code int, line string) reply {
	c.t.Helper()
	r := c.cmd(line)
	if r.code != code {
		c.t.Fatalf("%s: got %q, want %d", line, r, code)
	}
	return r
}

func (c *client) send(s string) {
	c.t.Helper()
	if _, err := c.conn.Write([]byte(s)); err != nil {
		c.t.Fatal(err)
	}
}

// stuffed is msg as DATA carries it, without the final dot.
func stuffed(msg string) string {
	msg = strings.ReplaceAll(msg, "\r\n.", "\r\n..")
	if strings.HasPrefix(msg, ".") {
		msg = "." + msg
	}
	return msg
}

// mail sends one message and returns the last reply: the refusal of a
// recipient, or that of the message.
func (c *client) mail(from, to, msg string) reply {
	c.t.Helper()
	c.ok(250, "MAIL FROM:<"+from+"> BODY=8BITMIME")
	if r := c.cmd("RCPT TO:<" + to + ">"); r.code != 250 {
		c.ok(250, "RSET")
		return r
	}
	c.ok(354, "DATA")
	c.send(stuffed(msg) + ".\r\n")
	r, err := c.read()
	if err != nil {
		c.t.Fatal(err)
	}
	return r
}

// bdat sends one message in chunks of this size, the commands pipelined.
func (c *client) bdat(from, to, msg string, size int) reply {
	c.t.Helper()
	c.ok(250, "MAIL FROM:<"+from+"> BODY=8BITMIME")
	c.ok(250, "RCPT TO:<"+to+">")
	for len(msg) > size {
		c.send(fmt.Sprintf("BDAT %d\r\n%s", size, msg[:size]))
		msg = msg[size:]
		c.want(250)
	}
	c.send(fmt.Sprintf("BDAT %d LAST\r\n%s", len(msg), msg))
	r, err := c.read()
	if err != nil {
		c.t.Fatal(err)
	}
	return r
}
