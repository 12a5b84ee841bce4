package imapd

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/gapura-mail/gapura/gateway/imap"
)

// state is where a session is (RFC 9051 section 3), as a bit.
type state uint8

const (
	notAuthenticated state = 1 << iota
	authenticated
	inFolder // "selected"

	anyState = notAuthenticated | authenticated | inFolder
	loggedIn = authenticated | inFolder
)

// command is a row of the table.
type command struct {
	// run parses the rest of the command and does what it says. Untagged
	// responses are queued; the tagged one is returned. It must not keep
	// what the Decoder returned as []byte, and calls consume before it reads.
	run func(c *conn, ctx context.Context, cmd *imap.Command, d *imap.Decoder) (reply, error)
	// in are the states that allow it.
	in state
	// keep: sequence numbers stay what they are until it has been answered
	// (RFC 9051 section 7.5.1).
	keep bool
	// quiet: no changes are told before its reply, as it would make no sense.
	quiet bool
	// needs is the capability that it belongs to; "": it is always there.
	needs string
}

// Errors of collecting a command.
var (
	errTooLong  = errors.New("the command is too long")
	errEndless  = errors.New("a line without end")
	errOversize = errors.New("a literal of the command is too long")
)

// command reads one command, runs and answers it.
func (c *conn) command() {
	text, err := c.collect()
	switch {
	case errors.Is(err, errLost):
		return
	case errors.Is(err, errEndless):
		c.bye("", "Your line has no end")
		return
	case err != nil:
		c.tooLong(text, err)
		return
	}
	c.dec.Reset(text)
	c.dec.UTF8 = c.w.UTF8
	if !c.dec.Command(&c.cmd) {
		c.tag = append(c.tag[:0], c.cmd.Tag...)
		c.finish(otherCommand, c.unknown(c.dec.Err()))
		return
	}
	c.tag = append(c.tag[:0], c.cmd.Tag...)
	row, ok := table[c.cmd.Name]
	if !ok || row.needs != "" && !c.set.on(row.needs) {
		c.finish(otherCommand, c.unknown(nil))
		return
	}
	c.finish(c.cmd.Name, c.execute(&row))
}

// otherCommand is what metrics call what is no command.
const otherCommand imap.Name = "OTHER"

// execute runs a command that is known.
func (c *conn) execute(row *command) reply {
	c.logCommand()
	if row.in&c.state == 0 {
		return outOfPlace(row.in)
	}
	ctx := c.limited()
	defer ctx.Cancel()
	r, err := row.run(c, ctx, &c.cmd, &c.dec)
	if err != nil {
		r = c.explain(err)
	}
	if !row.quiet && r.status != none && !c.closing {
		c.sync(ctx, row.keep && !c.cmd.UID)
	}
	return r
}

// finish sends the tagged reply, and takes the command from the input.
func (c *conn) finish(name imap.Name, r reply) {
	c.consume()
	c.srv.count.command(name, r.status)
	if r.status == none {
		return
	}
	if len(c.tag) == 0 {
		c.write("* ")
	} else {
		c.w.Bytes(c.tag).SP()
	}
	c.write(r.status.String(), " ")
	c.writeText(r.code, r.text)
	if r.status != bad {
		c.bad = 0
		return
	}
	if c.bad++; c.bad >= c.set.Limits.BadCommands {
		c.bye("", "Too many bad commands")
	}
}

// consume takes the command that runs from the input; it must be called before
// more is read, and makes all that aliases the command invalid.
func (c *conn) consume() {
	c.nc.Discard(c.used)
	c.used = 0
}

// logCommand logs a command without arguments, which may be secrets.
func (c *conn) logCommand() {
	if c.nc.Logs(slog.LevelDebug) {
		c.log(slog.LevelDebug, "command", slog.String("tag", string(c.tag)), slog.String("name", string(c.cmd.Name)))
	}
}

// collect reads a command with its literals, or an APPEND up to the head of its
// first message. It begins what is buffered; c.used is how long it is there.
// With an error the text is its beginning.
func (c *conn) collect() ([]byte, error) {
	began := time.Now()
	for line, scan := 0, 0; ; {
		b := c.nc.Buffered()
		i := bytes.IndexByte(b[scan:], '\n')
		if i < 0 {
			if scan = len(b); scan >= c.set.Limits.CommandSize {
				begin := bytes.Clone(b[:256])
				if _, err := c.skipLine(began); err != nil {
					return nil, err
				}
				return begin, errTooLong
			}
			if err := c.fill(began, c.nc.Full()); err != nil {
				return nil, err
			}
			continue
		}
		c.used = scan + i + 1
		text := bytes.TrimSuffix(b[:scan+i], []byte("\r"))
		lit, ok := imap.LiteralAtEnd(text[min(line, len(text)):])
		if !ok || isMessage(text[:len(text)-lit.Head], line > 0) {
			if len(text) > c.set.Limits.CommandSize {
				return text, errTooLong
			}
			return text, nil
		}
		line = c.used + int(min(lit.Size, maxCommand))
		if lit.Size > maxCommand || line+2 >= c.set.Limits.CommandSize {
			return c.skipLiteral(began, text, lit)
		}
		if !lit.NonSync {
			c.write("+ Go on\r\n")
		}
		for len(c.nc.Buffered()) < line {
			if err := c.fill(began, c.nc.Full() || line > 4<<10); err != nil {
				return nil, err
			}
		}
		scan = line
	}
}

// isMessage tells whether the literal behind text is a message of APPEND, which
// is read as it is stored; later: it is not the first one of the command. The
// first may be the mailbox's name.
func isMessage(text []byte, later bool) bool {
	var d imap.Decoder
	var cmd imap.Command
	d.Reset(text)
	return d.Command(&cmd) && cmd.Name == imap.CmdAppend && d.SP() && (later || len(d.Rest()) > 0)
}

// maxSkip is how many octets of a command that is refused are read in order to
// answer in step.
const maxSkip = 256 << 10

// skipLine reads on to the end of a line that is too long; it returns the last
// octets of it.
func (c *conn) skipLine(began time.Time) ([]byte, error) {
	for n := 0; n < maxSkip; {
		b := c.nc.Buffered()
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			c.used = i + 1
			return bytes.TrimSuffix(b[:i], []byte("\r")), nil
		}
		// What may be the head of a literal is kept.
		k := max(0, len(b)-32)
		n += k
		c.nc.Discard(k)
		if err := c.fill(began, false); err != nil {
			return nil, err
		}
	}
	return nil, errEndless
}

// skipLiteral refuses a literal: the client sends it only when it did not wait
// to be asked (RFC 7888 section 4), and then with the rest of the command.
func (c *conn) skipLiteral(began time.Time, text []byte, lit imap.Literal) ([]byte, error) {
	begin := bytes.Clone(text[:min(len(text), 256)])
	for total := lit.Size; lit.NonSync; total += lit.Size {
		if total > maxSkip {
			return nil, errEndless
		}
		c.consume()
		if err := c.discard(began, int(lit.Size)); err != nil {
			return nil, err
		}
		line, err := c.skipLine(began)
		if err != nil {
			return nil, err
		}
		total += int64(len(line))
		var more bool
		if lit, more = imap.LiteralAtEnd(line); !more {
			break
		}
	}
	return begin, errOversize
}

// discard reads n octets that nobody wants.
func (c *conn) discard(began time.Time, n int) error {
	for {
		k := min(n, len(c.nc.Buffered()))
		c.nc.Discard(k)
		if n -= k; n == 0 {
			return nil
		}
		if err := c.fill(began, true); err != nil {
			return err
		}
	}
}

// tooLong answers a command that begins as begin does.
func (c *conn) tooLong(begin []byte, err error) {
	var d imap.Decoder
	d.Reset(begin)
	var cmd imap.Command
	d.Command(&cmd)
	c.tag = append(c.tag[:0], cmd.Tag...)
	c.finish(otherCommand, reply{bad, "TOOBIG", "Sorry, " + err.Error()})
}
