package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/dns/dnstest"
)

// patience bounds every wait of a script.
const patience = time.Minute

// scriptCommands are the commands of scripts besides gapura:
//
//	smtp ADDR FILE   speak the dialogue of FILE: lines "C: said", "S: regexp"
//	imap ADDR FILE   the same for IMAP: "C: said"; "S: regexp" wants a line that
//	                 matches and passes over those before it, but not over a
//	                 tagged one; "L: text" sends a line as it stands, a literal's,
//	                 "T: " begins TLS
//	pop3 ADDR FILE   the same for POP3 (and ManageSieve): "S: regexp" is about the
//	                 next line, "M: regexp" about all lines to a single
//	                 dot, "U: regexp" passes over lines until one matches
//	http ADDR PATH   GET; the answer is stdout; ! for a status other than 200
//	until ADDR PATH REGEXP
//	                 GET until the answer matches
//	zone FILE        answer from a zone file on the address in $RESOLVER
//	exits N CMD...   run a command that ends with exit code N
//
// ADDR is HOST:PORT or the path of a socket, which is waited for.
func scriptCommands(t *testing.T) map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"smtp":  scriptSMTP,
		"imap":  scriptIMAP,
		"pop3":  scriptPOP3,
		"http":  scriptHTTP,
		"exits": scriptExits,
		"until": scriptUntil,
		"zone": func(ts *testscript.TestScript, _ bool, args []string) {
			z, err := dns.ParseZone(args[0], []byte(ts.ReadFile(args[0])))
			ts.Check(err)
			ts.Setenv("RESOLVER", dnstest.Serve(t, z).Addr)
		},
	}
}

// dialWhenThere connects to a server that may still be starting.
func dialWhenThere(ctx context.Context, addr string) (net.Conn, error) {
	network := "tcp"
	if strings.HasPrefix(addr, "/") {
		network = "unix"
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err == nil || ctx.Err() != nil {
			return c, err
		}
		<-tick.C
	}
}

func scriptSMTP(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: smtp ADDR FILE")
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := dialWhenThere(ctx, args[0])
	ts.Check(err)
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	in := bufio.NewReader(c)
	for line := range strings.Lines(ts.ReadFile(args[1])) {
		line = strings.TrimRight(line, "\n")
		switch said, text := line[:min(3, len(line))], line[min(3, len(line)):]; said {
		case "C: ":
			_, err = fmt.Fprintf(c, "%s\r\n", text)
			ts.Check(err)
		case "S: ":
			got, err := readReply(in)
			ts.Check(err)
			fmt.Fprint(ts.Stdout(), got)
			if !regexp.MustCompile("(?s)^" + text).MatchString(got) {
				ts.Fatalf("the server said %s where %q was wanted", got, text)
			}
		}
	}
}

// dialogue runs the lines of a file over a connection, which may begin with
// TLS: tls:ADDR. said answers the lines that are not "C: ".
func dialogue(ts *testscript.TestScript, args []string, said func(in *bufio.Reader, mark, text string)) {
	if len(args) != 2 {
		ts.Fatalf("usage: imap|pop3 [tls:]ADDR FILE")
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	addr, secure := strings.CutPrefix(args[0], "tls:")
	c, err := dialWhenThere(ctx, addr)
	ts.Check(err)
	defer c.Close()
	if secure {
		c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
	}
	c.SetDeadline(time.Now().Add(patience))
	in := bufio.NewReader(c)
	for line := range strings.Lines(os.Expand(ts.ReadFile(args[1]), ts.Getenv)) {
		line = strings.TrimRight(line, "\n")
		switch mark, text := line[:min(3, len(line))], line[min(3, len(line)):]; mark {
		case "C: ", "L: ":
			_, err = fmt.Fprintf(c, "%s\r\n", text)
			ts.Check(err)
		case "T: ":
			c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
			c.SetDeadline(time.Now().Add(patience))
			in = bufio.NewReader(c)
		default:
			said(in, mark, text)
		}
	}
}

// nextLine reads a line, which goes to stdout.
func nextLine(ts *testscript.TestScript, in *bufio.Reader) string {
	line, err := in.ReadString('\n')
	ts.Check(err)
	line = strings.TrimRight(line, "\r\n")
	fmt.Fprintln(ts.Stdout(), line)
	return line
}

func scriptIMAP(ts *testscript.TestScript, neg bool, args []string) {
	dialogue(ts, args, func(in *bufio.Reader, mark, text string) {
		if mark != "S: " {
			return
		}
		want := regexp.MustCompile("^" + text)
		for {
			line := nextLine(ts, in)
			if want.MatchString(line) {
				return
			}
			if word, _, _ := strings.Cut(line, " "); regexp.MustCompile("^[a-z][0-9]+$").MatchString(word) {
				ts.Fatalf("the server said %s where %q was wanted", line, text)
			}
		}
	})
}

func scriptPOP3(ts *testscript.TestScript, neg bool, args []string) {
	dialogue(ts, args, func(in *bufio.Reader, mark, text string) {
		got := ""
		switch mark {
		case "S: ":
			got = nextLine(ts, in)
		case "U: ":
			for got = nextLine(ts, in); !regexp.MustCompile("^" + text).MatchString(got); {
				got = nextLine(ts, in)
			}
		case "M: ":
			for line := nextLine(ts, in); line != "."; line = nextLine(ts, in) {
				got += line + "\n"
			}
		default:
			return
		}
		if !regexp.MustCompile("(?s)^" + text).MatchString(got) {
			ts.Fatalf("the server said %s where %q was wanted", got, text)
		}
	})
}

// readReply reads a reply of one or several lines.
func readReply(in *bufio.Reader) (string, error) {
	var all strings.Builder
	for {
		line, err := in.ReadString('\n')
		all.WriteString(strings.TrimRight(line, "\r\n") + "\n")
		if err != nil || len(line) < 4 || line[3] != '-' {
			return all.String(), err
		}
	}
}

func scriptHTTP(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: http ADDR PATH")
	}
	client := &http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return dialWhenThere(ctx, args[0]) },
	}}
	resp, err := client.Get("http://gapura" + args[1])
	ts.Check(err)
	defer resp.Body.Close()
	_, err = io.Copy(ts.Stdout(), resp.Body)
	ts.Check(err)
	if neg == (resp.StatusCode == http.StatusOK) {
		ts.Fatalf("status %s", resp.Status)
	}
}

// scriptUntil asks again until what happens beside it has happened.
func scriptUntil(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: until ADDR PATH REGEXP")
	}
	want, err := regexp.Compile("(?m)" + args[2])
	ts.Check(err)
	client := &http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return dialWhenThere(ctx, args[0]) },
	}}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	last := ""
	for end := time.Now().Add(patience); time.Now().Before(end); <-tick.C {
		resp, err := client.Get("http://gapura" + args[1])
		ts.Check(err)
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		ts.Check(err)
		if want.Match(b) {
			return
		}
		last = string(b)
	}
	ts.Fatalf("never %s:\n%s", args[2], last)
}

func scriptExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits N COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}
