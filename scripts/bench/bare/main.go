// Command bare is a queue with nothing in it but what any queue must do: a
// message is read, written to one file with what else waits, synced, answered with 250,
// and sent on over a connection that is kept. No checks, no limits, no
// recovery. What it does is a bound for what the gateway can do on a machine.
//
//	bare ADDRESS NEXT-HOP FOLDER
package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

const senders = 20 // connections to the next hop

func main() {
	if len(os.Args) != 4 {
		log.Fatal("usage: bare ADDRESS NEXT-HOP FOLDER")
	}
	log.Fatal(serve(os.Args[1], os.Args[2], os.Args[3]))
}

func serve(address, next, folder string) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	kept, err := os.Create(filepath.Join(folder, "messages"))
	if err != nil {
		return err
	}
	gone, err := os.Create(filepath.Join(folder, "gone"))
	if err != nil {
		return err
	}
	q := &queue{come: make(chan *message, 4096), ready: make(chan *message, 1<<20), gone: make(chan struct{}, 1<<16)}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	go q.keep(kept)
	go q.forget(gone)
	var once sync.Once
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		once.Do(func() {
			for range senders {
				go func() { log.Fatal(q.send(next)) }()
			}
		})
		go func() {
			defer c.Close()
			if err := q.receive(c); err != nil && !errors.Is(err, io.EOF) {
				log.Print(err)
			}
		}()
	}
}

type queue struct {
	come  chan *message // to be kept
	ready chan *message // to be sent
	gone  chan struct{} // sent
}

type message struct {
	from, to string
	body     []byte // dots stuffed, as it came
	kept     chan error
}

// gather gives what waits in c beside the first.
func gather[T any](first T, c <-chan T) []T {
	list := []T{first}
	for {
		select {
		case m := <-c:
			list = append(list, m)
		default:
			return list
		}
	}
}

// keep writes what waits at once, with one sync.
func (q *queue) keep(f *os.File) {
	var buf []byte
	for first := range q.come {
		batch := gather(first, q.come)
		buf = buf[:0]
		for _, m := range batch {
			buf = fmt.Appendf(buf, "%s %s %d\n", m.from, m.to, len(m.body))
			buf = append(buf, m.body...)
		}
		_, err := f.Write(buf)
		if err == nil {
			err = syscall.Fdatasync(int(f.Fd()))
		}
		for _, m := range batch {
			m.kept <- err
		}
	}
}

// forget writes down what was sent, without a sync.
func (q *queue) forget(f *os.File) {
	for first := range q.gone {
		f.Write(bytes.Repeat([]byte("sixteen octets.\n"), len(gather(first, q.gone))))
	}
}

// receive is a session.
func (q *queue) receive(c net.Conn) error {
	r, w := bufio.NewReaderSize(c, 8<<10), bufio.NewWriterSize(c, 1<<10)
	m := &message{kept: make(chan error, 1)}
	reply := "220 bare ESMTP\r\n"
	for {
		w.WriteString(reply)
		if r.Buffered() == 0 {
			if err := w.Flush(); err != nil {
				return err
			}
		}
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		reply = "250 ok\r\n"
		switch verb := bytes.ToUpper(line[:min(4, len(line))]); string(verb) {
		case "EHLO":
			reply = "250-bare\r\n250-PIPELINING\r\n250 8BITMIME\r\n"
		case "MAIL":
			m.from = path(line)
		case "RCPT":
			m.to = path(line)
		case "DATA":
			if err := q.data(m, r, w); err != nil {
				return err
			}
			m = &message{kept: make(chan error, 1)}
		case "QUIT":
			w.WriteString("221 bye\r\n")
			return w.Flush()
		}
	}
}

// path is what is in the angle brackets.
func path(line []byte) string {
	_, line, _ = bytes.Cut(line, []byte("<"))
	line, _, _ = bytes.Cut(line, []byte(">"))
	return string(line)
}

// data returns when the message is durable.
func (q *queue) data(m *message, r *bufio.Reader, w *bufio.Writer) error {
	w.WriteString("354 go on\r\n")
	if err := w.Flush(); err != nil {
		return err
	}
	m.body = append(make([]byte, 0, 6<<10), "Received: from client by bare\r\n"...)
	for {
		line, err := r.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
		m.body = append(m.body, line...)
		if string(line) == ".\r\n" {
			break
		}
	}
	q.come <- m
	if err := <-m.kept; err != nil {
		return err
	}
	q.ready <- m
	return nil
}

// send is a connection to the next hop.
func (q *queue) send(next string) error {
	c, err := net.Dial("tcp", next)
	if err != nil {
		return err
	}
	r, w := bufio.NewReader(c), bufio.NewWriterSize(c, 64<<10)
	if err := replies(r, w, "220"); err != nil {
		return err
	}
	w.WriteString("EHLO bare\r\n")
	if err := replies(r, w, "250"); err != nil {
		return err
	}
	for m := range q.ready {
		fmt.Fprintf(w, "MAIL FROM:<%s>\r\nRCPT TO:<%s>\r\nDATA\r\n", m.from, m.to)
		if err := replies(r, w, "250", "250", "354"); err != nil {
			return err
		}
		w.Write(m.body)
		if err := replies(r, w, "250"); err != nil {
			return err
		}
		q.gone <- struct{}{}
	}
	return nil
}

// replies sends what is written and reads replies, which are to have these codes.
func replies(r *bufio.Reader, w *bufio.Writer, codes ...string) error {
	if err := w.Flush(); err != nil {
		return err
	}
	for _, code := range codes {
		for more := true; more; {
			line, err := r.ReadSlice('\n')
			if err != nil {
				return err
			}
			if !bytes.HasPrefix(line, []byte(code)) {
				return fmt.Errorf("next hop: %q for %s", line, code)
			}
			more = len(line) > 3 && line[3] == '-'
		}
	}
	return nil
}
