package blob

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/minio/minio-go/v7"
)

// object reads an object by ranges. What is read in order is one request.
type object struct {
	s    *S3
	ctx  context.Context
	name string
	end  int64 // nothing is asked for from there on

	mu   sync.Mutex
	body io.ReadCloser // from at on; nil: none
	at   int64
	ends int64  // where body does
	last []byte // read before at: headers are read again with what follows
}

// maxSkip is what is rather read than asked for anew.
const maxSkip = 64 << 10

// ReadAt implements source.
func (o *object) ReadAt(p []byte, off int64) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.body != nil && off > o.at && off-o.at <= maxSkip {
		n, err := io.CopyN(io.Discard, o.body, off-o.at)
		o.at, o.last = o.at+n, o.last[:0]
		if err != nil {
			o.closeBody()
		}
	}
	again := 0
	if back := o.at - off; o.body != nil && back > 0 && back <= int64(len(o.last)) {
		again = copy(p, o.last[int64(len(o.last))-back:])
		if again == len(p) {
			return again, nil
		}
	} else if o.body == nil || off != o.at {
		if err := o.ask(off); err != nil {
			return 0, err
		}
	}
	n, err := io.ReadFull(o.body, p[again:])
	o.at += int64(n)
	o.last = o.last[:0]
	if n += again; n <= headerSize+MaxTag {
		o.last = append(o.last, p[:n]...)
	}
	switch {
	case err == nil:
	case o.at < o.ends: // the object is longer: it is not damaged for that
		o.closeBody()
		return n, fmt.Errorf("S3: the answer ended early: %w", io.ErrUnexpectedEOF)
	case err == io.ErrUnexpectedEOF:
		err = io.EOF
	}
	return n, err
}

// ask begins to read at off.
func (o *object) ask(off int64) error {
	o.closeBody()
	if off >= o.end {
		return io.EOF
	}
	var opt minio.GetObjectOptions
	if err := opt.SetRange(off, o.end-1); err != nil {
		return err
	}
	body, info, _, err := o.s.core.GetObject(o.ctx, o.s.opt.Bucket, o.name, opt)
	switch e := minio.ToErrorResponse(err); {
	case err == nil:
		o.body, o.at, o.ends, o.last = body, off, off+info.Size, o.last[:0]
		return nil
	case e.Code == minio.InvalidRange || e.StatusCode == http.StatusRequestedRangeNotSatisfiable:
		return io.EOF
	case e.Code == minio.NoSuchKey:
		return ErrNotFound
	}
	return err
}

func (o *object) closeBody() {
	if o.body != nil {
		o.body.Close()
		o.body = nil
	}
}

// Close implements source.
func (o *object) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closeBody()
	return nil
}
