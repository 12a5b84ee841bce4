package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
)

// Segments is a Store's octets as they are kept, for copies that another Store
// can be opened on. The methods of one that is open for reading work beside the
// process that writes.
type Segments interface {
	// Segments lists the segments.
	Segments(ctx context.Context) ([]Segment, error)
	// ReadSegment reads one; ErrNotFound.
	ReadSegment(ctx context.Context, name string) (io.ReadCloser, error)
	// WriteSegment makes one that is not there.
	WriteSegment(ctx context.Context, name string, size int64, src io.Reader) error
}

// Segment is one of them.
type Segment struct {
	Name string
	Size int64
	// Changed is when it was written to last; zero: it never changes.
	Changed time.Time
}

var (
	_ Segments = (*Files)(nil)
	_ Segments = (*S3)(nil)
)

// Segments implements Segments. It is of the operating system's files alone.
func (f *Files) Segments(context.Context) (list []Segment, err error) {
	all, err := os.ReadDir(f.opt.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, e := range all {
		if _, ok := segmentID(e.Name()); !ok {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) { // reclaimed meanwhile
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, Segment{e.Name(), info.Size(), info.ModTime()})
	}
	return list, nil
}

// ReadSegment implements Segments.
func (f *Files) ReadSegment(_ context.Context, name string) (io.ReadCloser, error) {
	file, err := f.fs.Open(filepath.Join(f.opt.Dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrNotFound, name)
	}
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.NewSectionReader(file, 0, 1<<62), file}, nil
}

// WriteSegment implements Segments.
func (f *Files) WriteSegment(_ context.Context, name string, _ int64, src io.Reader) error {
	if err := f.fs.MkdirAll(f.opt.Dir); err != nil {
		return err
	}
	file, err := f.fs.Create(filepath.Join(f.opt.Dir, name))
	if err != nil {
		return err
	}
	_, err = io.Copy(io.NewOffsetWriter(file, 0), src)
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close(), f.fs.SyncDir(f.opt.Dir))
}

// Segments implements Segments.
func (s *S3) Segments(ctx context.Context) (list []Segment, err error) {
	for o := range s.core.ListObjectsIter(ctx, s.opt.Bucket, minio.ListObjectsOptions{Prefix: s.opt.Prefix}) {
		if o.Err != nil {
			return nil, fmt.Errorf("blob: %w", o.Err)
		}
		name := strings.TrimPrefix(o.Key, s.opt.Prefix)
		if _, ok := segmentID(name); ok {
			list = append(list, Segment{Name: name, Size: o.Size})
		}
	}
	return list, nil
}

// ReadSegment implements Segments.
func (s *S3) ReadSegment(ctx context.Context, name string) (io.ReadCloser, error) {
	r, _, _, err := s.core.GetObject(ctx, s.opt.Bucket, s.opt.Prefix+name, minio.GetObjectOptions{})
	if minio.ToErrorResponse(err).Code == minio.NoSuchKey {
		return nil, fmt.Errorf("%w: %s", ErrNotFound, name)
	}
	return r, err
}

// WriteSegment implements Segments.
func (s *S3) WriteSegment(ctx context.Context, name string, size int64, src io.Reader) error {
	id, ok := segmentID(name)
	if !ok {
		return fmt.Errorf("blob: %s is no segment", name)
	}
	return s.put(ctx, id, size, src)
}

// settleTime is how long a segment must have rested before a copy of it is
// believed to be whole for ever: what was reserved and not yet written when it
// was copied is not in the copy.
const settleTime = 2 * time.Second

// Mirror brings the folder dir up to date with the segments of src: those are
// copied that are not there yet or were written to since. It returns the sizes
// by name. What src has no more stays until Prune. done, if there is one, is
// told of octets that were copied, and how many there are to copy.
func Mirror(ctx context.Context, src Segments, dir string, done func(n, of int64)) (sizes map[string]int64, err error) {
	if err := (osFS{}).MkdirAll(dir); err != nil {
		return nil, err
	}
	list, err := src.Segments(ctx)
	if err != nil {
		return nil, err
	}
	sizes = map[string]int64{}
	var todo []Segment
	var total, copied int64
	for _, e := range list {
		info, err := os.Stat(filepath.Join(dir, e.Name))
		if err == nil && info.Size() == e.Size && (e.Changed.IsZero() || info.ModTime().Equal(e.Changed)) {
			sizes[e.Name] = e.Size
			continue
		}
		todo = append(todo, e)
		total += e.Size
	}
	for _, e := range todo {
		n, err := copySegment(ctx, src, e, filepath.Join(dir, e.Name))
		if errors.Is(err, ErrNotFound) { // reclaimed meanwhile
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("blob: copy %s: %w", e.Name, err)
		}
		sizes[e.Name] = n
		copied += e.Size
		if done != nil {
			done(copied, total)
		}
	}
	return sizes, (osFS{}).SyncDir(dir)
}

// unfinished ends the name of a copy that is not whole.
const unfinished = ".new"

// copySegment copies a segment, as far as it goes by now, and gives the copy
// the time of the original where that is believed to be whole.
func copySegment(ctx context.Context, src Segments, e Segment, name string) (int64, error) {
	r, err := src.ReadSegment(ctx, e.Name)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	changed := e.Changed
	if time.Since(changed) < settleTime {
		changed = time.Unix(0, 0)
	}
	temporary := name + unfinished
	f, err := os.OpenFile(temporary, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(f, contextReader{ctx, r})
	// A file may have been cut since it was listed: a restart takes the zeros
	// off its end. That the copy has what rows refer to is for Covers to say.
	if err == nil && n < e.Size && e.Changed.IsZero() {
		err = fmt.Errorf("it ends at %d, not at %d", n, e.Size)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return 0, errors.Join(err, os.Remove(temporary))
	}
	if !changed.IsZero() {
		if err := os.Chtimes(temporary, changed, changed); err != nil {
			return 0, err
		}
	}
	return n, os.Rename(temporary, name)
}

// contextReader reads until its context ends.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

// Read implements io.Reader.
func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// Prune removes from dir, which Mirror has made, the segments that are not
// among sizes.
func Prune(dir string, sizes map[string]int64) error {
	list, err := (osFS{}).ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range list {
		whole := strings.TrimSuffix(e.Name, unfinished)
		if _, segment := segmentID(whole); !segment {
			continue
		}
		if _, keep := sizes[e.Name]; !keep { // or was broken off
			err = errors.Join(err, os.Remove(filepath.Join(dir, e.Name)))
		}
	}
	return err
}

// Covers tells whether a copy with those sizes has all octets of ref.
func Covers(sizes map[string]int64, ref Ref) bool {
	least := frame{size: ref.Size}
	return sizes[segmentName(ref.Segment)] >= ref.Offset+least.length()
}

// Restore copies the segments of dir, which Mirror has made, into dst, which
// must have none.
func Restore(ctx context.Context, dir string, dst Segments, done func(n, of int64)) error {
	from := &Files{opt: Options{Dir: dir}, fs: osFS{}}
	list, err := from.Segments(ctx)
	if err != nil {
		return err
	}
	there, err := dst.Segments(ctx)
	if err != nil {
		return err
	}
	if len(there) > 0 {
		return fmt.Errorf("blob: restore: there is %s already", there[0].Name)
	}
	var total, copied int64
	for _, e := range list {
		total += e.Size
	}
	for _, e := range list {
		r, err := from.ReadSegment(ctx, e.Name)
		if err != nil {
			return err
		}
		err = errors.Join(dst.WriteSegment(ctx, e.Name, e.Size, contextReader{ctx, r}), r.Close())
		if err != nil {
			return fmt.Errorf("blob: restore %s: %w", e.Name, err)
		}
		copied += e.Size
		if done != nil {
			done(copied, total)
		}
	}
	return nil
}
