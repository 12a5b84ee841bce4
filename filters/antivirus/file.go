package antivirus

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// maxFile is how long what is handed over as a file may be. What is longer is
// streamed, since clamd takes a file beyond its MaxFileSize for clean without
// looking at it, and tells only of streams that they are too long.
const maxFile = 2 << 20

// fileBackOff is how long a daemon is sent streams alone after it took no file:
// what lies between may take descriptors away, as profiles of AppArmor and
// relays do.
const fileBackOff = 10 * time.Minute

// takesFiles tells whether the daemon is given files. What is streamed to it
// clamd writes into a file of its own first, which costs it a twentieth of a
// scan.
func (d *daemon) takesFiles() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.network == "unix" && !time.Now().Before(d.noFile)
}

// tookNone notes that a file was not taken.
func (d *daemon) tookNone() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.noFile = time.Now().Add(fileBackOff)
}

// takesFiles tells whether all daemons do: then nothing is sent before all of a
// message is there.
func (p *pool) takesFiles() bool {
	for _, d := range p.daemons {
		if !d.takesFiles() {
			return false
		}
	}
	return true
}

// errNoFile says that the daemon must be sent a stream, errRefused besides that
// it was asked.
var (
	errNoFile  = errors.New("clamd takes no file")
	errRefused = fmt.Errorf("%w: it gave no answer", errNoFile)
)

// scanFile has the daemon at addr scan what src writes as a file. With errNoFile
// nothing is known of it.
func (d *daemon) scanFile(ctx context.Context, addr string, src source) (verdict, error) {
	f, err := newFile()
	if err != nil {
		return verdict{}, errNoFile
	}
	defer f.Close()
	if err := fill(f, src); err != nil {
		return verdict{}, err
	}
	v, err := passFile(ctx, addr, f)
	var dial *net.OpError
	switch {
	case err == nil, errors.As(err, &dial) && dial.Op == "dial":
	case errors.Is(ctx.Err(), context.DeadlineExceeded): // a relay may wait for what it does not know
		d.tookNone()
	case ctx.Err() == nil:
		return verdict{}, errRefused
	}
	return v, err
}

var fileBuffers = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, bufferSize) }}

// fill writes what src gives.
func fill(f *os.File, src source) error {
	w := fileBuffers.Get().(*bufio.Writer)
	defer fileBuffers.Put(w)
	out := &fileWriter{f: f}
	w.Reset(out)
	defer w.Reset(nil)
	err := src(w)
	switch {
	case out.err != nil: // no memory
		return errNoFile
	case err != nil:
		return &sourceError{err}
	case w.Flush() != nil:
		return errNoFile
	}
	return nil
}

// fileWriter tells errors of the file from those of a source.
type fileWriter struct {
	f   *os.File
	err error
}

func (w *fileWriter) Write(p []byte) (n int, err error) {
	n, w.err = w.f.Write(p)
	return n, w.err
}

// passFile gives f to the daemon at addr (clamd(8), FILDES) and returns its
// answer.
func passFile(ctx context.Context, addr string, f *os.File) (verdict, error) {
	nc, err := dial(ctx, "unix", addr)
	if err != nil {
		return verdict{}, err
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(scanTimeout))
	defer context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })()
	var line string
	if _, err = io.WriteString(nc, "zFILDES\x00"); err == nil {
		err = sendFile(nc.(*net.UnixConn), f)
	}
	if err == nil {
		line, err = readReply(nc)
	}
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return verdict{}, cause
	}
	if err != nil {
		return verdict{}, fmt.Errorf("clamd: %w", err)
	}
	return parseReply(line)
}
