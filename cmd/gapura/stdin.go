package main

import (
	"context"
	"io"
	"os"
)

// openStdin returns standard input, whose reads end when the command is to
// end: a read of a terminal or a pipe cannot be broken off otherwise.
func (a *app) openStdin() io.ReadCloser {
	return io.NopCloser(&interruptible{ctx: a.ctx, r: a.stdin})
}

// openFile opens a file to be read. A pipe is waited for no longer than ctx:
// already to open it takes until somebody writes there.
func openFile(ctx context.Context, name string) (io.ReadCloser, error) {
	info, err := os.Stat(name)
	if err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		return os.Open(name)
	}
	return io.NopCloser(&interruptible{ctx: ctx, r: &pipe{ctx: ctx, name: name}}), nil
}

// pipe is opened when it is read first, and closed at its end.
type pipe struct {
	ctx  context.Context
	name string
	f    *os.File
}

// Read implements io.Reader.
func (p *pipe) Read(b []byte) (n int, err error) {
	if p.f == nil {
		if p.f, err = os.Open(p.name); err != nil {
			return 0, err
		}
	}
	if err := p.ctx.Err(); err != nil { // what comes now is for somebody else
		p.f.Close()
		return 0, err
	}
	if n, err = p.f.Read(b); err != nil {
		p.f.Close()
	}
	return n, err
}

// interruptible reads from r until ctx ends. A read that is under way then
// is left to itself, with its buffer.
type interruptible struct {
	ctx    context.Context
	r      io.Reader
	buf    []byte // what reads fill, since the caller's may be gone
	ready  []byte // of buf, read but not asked for
	broken error
}

// stdinBuffer is how much is read at a time.
const stdinBuffer = 64 << 10

// Read implements io.Reader.
func (x *interruptible) Read(p []byte) (int, error) {
	if len(x.ready) == 0 && x.broken == nil {
		x.fill()
	}
	if len(x.ready) == 0 {
		return 0, x.broken
	}
	n := copy(p, x.ready)
	x.ready = x.ready[n:]
	return n, nil
}

// fill reads once.
func (x *interruptible) fill() {
	if x.buf == nil {
		x.buf = make([]byte, stdinBuffer)
	}
	type result struct {
		n   int
		err error
	}
	done, r, buf := make(chan result, 1), x.r, x.buf
	go func() {
		n, err := r.Read(buf)
		done <- result{n, err}
	}()
	select {
	case got := <-done:
		x.ready, x.broken = x.buf[:got.n], got.err
	case <-x.ctx.Done():
		x.buf, x.broken = nil, context.Cause(x.ctx)
	}
}
