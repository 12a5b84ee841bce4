package blob

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

const (
	// maxPuts bounds uploads of small blobs at once; who comes while they run
	// shares the next one.
	maxPuts = 8
	// minPack is worth an upload beside others; of fewer octets, twice as many
	// blobs as uploads run are.
	minPack = 256 << 10
	// maxPack ends an object of small blobs.
	maxPack = 8 << 20
	// s3Large is the size from which a blob is an object of its own.
	s3Large = 1 << 20
	// putTime bounds an upload of small blobs, with its retries.
	putTime = time.Minute
	// deleteTime bounds the removal of an object.
	deleteTime = time.Minute
	// maxDeletes bounds removals at once: as many objects go as come.
	maxDeletes = maxPuts
	// closeTime bounds what is still done while the store is closed; the next
	// start does the rest.
	closeTime = 5 * time.Second
	// answerTime bounds the wait for an answer to what was sent whole: a
	// connection whose server has vanished is given up, and another tried.
	answerTime = 20 * time.Second
)

// S3 is a Store in an S3 bucket: a segment is an object, written once. What is
// appended at the same time shares an object.
type S3 struct {
	ledger
	opt   S3Options
	core  *minio.Core
	http  *http.Transport
	lock  io.Closer       // nil: none
	token string          // of what this store uploads
	life  context.Context // of uploads of packs, and of removals
	end   context.CancelFunc

	// Under the ledger's mutex.
	packs []*pack // that wait for their upload
	puts  int     // uploads of packs that run
}

// OpenS3 opens the bucket, which must exist. Bucket and prefix belong to one
// Owner: another would remove what it does not know, so it is told ErrOwner.
// live are the blobs that rows refer to, each once; everything else is
// reclaimed.
func OpenS3(ctx context.Context, opt S3Options, log *slog.Logger, live iter.Seq2[Ref, error]) (*S3, error) {
	return openBucket(ctx, opt, log, eachRef(live))
}

// OpenS3Use is OpenS3 for an owner that keeps the Use of each segment.
func OpenS3Use(ctx context.Context, opt S3Options, log *slog.Logger, live iter.Seq2[Use, error]) (*S3, error) {
	return openBucket(ctx, opt, log, eachUse(live))
}

func openBucket(ctx context.Context, opt S3Options, log *slog.Logger, live uses) (*S3, error) {
	s := &S3{opt: opt, token: rand.Text()}
	s.life, s.end = context.WithCancel(context.WithoutCancel(ctx))
	s.init(log)
	s.reaper.places = maxDeletes
	s.ledger.name, s.discard = s.object, s.remove
	if err := s.open(ctx, live); err != nil {
		s.release()
		return nil, fmt.Errorf("blob: open S3 bucket %s: %w", opt.Bucket, explained(err))
	}
	return s, nil
}

func (s *S3) open(ctx context.Context, live uses) (err error) {
	if os.Getenv("AWS_ACCESS_KEY_ID") == "" || os.Getenv("AWS_SECRET_ACCESS_KEY") == "" {
		return errors.New("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not in the environment")
	}
	host, secure, lookup := "s3.amazonaws.com", true, minio.BucketLookupAuto
	if e := s.opt.Endpoint; e != nil {
		host, secure, lookup = e.Host, e.Scheme == "https", minio.BucketLookupPath
	}
	if s.http, err = minio.DefaultTransport(secure); err != nil {
		return err
	}
	s.http.ResponseHeaderTimeout = answerTime
	s.core, err = minio.NewCore(host, &minio.Options{Creds: credentials.NewEnvAWS(), Secure: secure, Region: s.opt.Region, BucketLookup: lookup, Transport: s.http})
	if err != nil {
		return err
	}
	if s.opt.ReadOnly {
		return nil
	}
	if s.opt.Dir != "" {
		if err := (osFS{}).MkdirAll(s.opt.Dir); err != nil {
			return err
		}
		if s.lock, err = (osFS{}).Lock(filepath.Join(s.opt.Dir, "lock")); err != nil {
			return err
		}
	}
	if err := s.own(ctx); err != nil {
		return err
	}
	for o := range s.core.ListObjectsIter(ctx, s.opt.Bucket, minio.ListObjectsOptions{Prefix: s.opt.Prefix}) {
		if o.Err != nil {
			return o.Err
		}
		if id, ok := segmentID(strings.TrimPrefix(o.Key, s.opt.Prefix)); ok {
			s.found(id, o.Size)
		}
	}
	return s.count(ctx, live)
}

// object is the name of a segment's object.
func (s *S3) object(id uint64) string { return s.opt.Prefix + segmentName(id) }

// remove is the ledger's discard.
func (s *S3) remove(seg *segment, _ File, dead bool) error {
	if !dead {
		return nil
	}
	ctx, cancel := context.WithTimeout(s.life, deleteTime)
	defer cancel()
	if seg.failed != nil { // it may have arrived nevertheless, or be another's
		o, err := s.core.StatObject(ctx, s.opt.Bucket, s.object(seg.id), minio.StatObjectOptions{})
		if minio.ToErrorResponse(err).Code == minio.NoSuchKey || err == nil && o.Size != seg.size {
			return nil
		}
	}
	return explained(s.core.RemoveObject(ctx, s.opt.Bucket, s.object(seg.id), minio.RemoveObjectOptions{}))
}

// explained says what the server has called the error: its text alone may be
// anything.
func explained(err error) error {
	if e := minio.ToErrorResponse(err); err != nil && e.StatusCode != 0 {
		return fmt.Errorf("S3: %w (%s, status %d)", err, e.Code, e.StatusCode)
	}
	return err
}

// uploader is the metadatum that tells whose an object is.
const uploader = "Uploader"

// put uploads an object that must not be there yet. That it is there may come
// of an answer that was lost, after which the library has tried again.
func (s *S3) put(ctx context.Context, id uint64, size int64, src io.Reader) error {
	opt := minio.PutObjectOptions{
		ContentType: "application/octet-stream", DisableMultipart: true, UserMetadata: map[string]string{uploader: s.token},
	}
	opt.SetMatchETagExcept("*")
	_, err := s.core.Client.PutObject(ctx, s.opt.Bucket, s.object(id), src, size, opt)
	if !isThere(err) {
		return err
	}
	o, lost := s.core.StatObject(ctx, s.opt.Bucket, s.object(id), minio.StatObjectOptions{})
	if lost == nil && o.UserMetadata[uploader] == s.token && o.Size == size {
		return nil
	}
	return err
}

// Append implements Store.
func (s *S3) Append(ctx context.Context, tag string, size int64, src io.Reader) (Ref, error) {
	if len(tag) > MaxTag {
		return Ref{}, errTag
	}
	if s.opt.ReadOnly {
		return Ref{}, ErrReadOnly
	}
	if err := s.enter(); err != nil {
		return Ref{}, err
	}
	defer s.appends.Done()
	var ref Ref
	var err error
	if f := (&frame{tag: tag, size: size}); size >= s3Large {
		ref, err = s.appendLarge(ctx, f, src)
	} else {
		ref, err = s.appendSmall(ctx, f, src)
	}
	if err != nil {
		return Ref{}, fmt.Errorf("blob: append: %w", explained(err))
	}
	return ref, nil
}

// AppendLater implements Store: an object is durable when it is there.
func (s *S3) AppendLater(ctx context.Context, tag string, size int64, src io.Reader) (Ref, func() error, error) {
	ref, err := s.Append(ctx, tag, size, src)
	return ref, func() error { return nil }, err
}

// appendSmall reads the blob into memory; one of unknown length that is large
// goes over a file.
func (s *S3) appendSmall(ctx context.Context, f *frame, src io.Reader) (Ref, error) {
	limit := f.size
	if limit < 0 {
		limit = s3Large
	}
	b := bytes.NewBuffer(buffer(int(min(limit+1+bytes.MinRead, maxBuffer))))
	defer func() { freeBuffer(b.Bytes()) }()
	n, err := io.CopyN(b, src, limit+1)
	switch {
	case err == nil && f.size < 0:
		return s.appendUnknown(ctx, f, io.MultiReader(b, src))
	case err == nil || err == io.EOF && f.size >= 0 && n != f.size:
		return Ref{}, errSize
	case err != io.EOF:
		return Ref{}, err
	}
	f.size = n
	return s.pack(ctx, f, b.Bytes())
}

// appendUnknown finds out how long the blob is.
func (s *S3) appendUnknown(ctx context.Context, f *frame, src io.Reader) (Ref, error) {
	spool, err := os.CreateTemp("", "gapura-s3-")
	if err != nil {
		return Ref{}, err
	}
	defer spool.Close()
	if err := os.Remove(spool.Name()); err != nil {
		return Ref{}, err
	}
	if f.size, err = io.Copy(spool, src); err != nil {
		return Ref{}, err
	}
	return s.appendLarge(ctx, f, io.NewSectionReader(spool, 0, f.size))
}

// appendLarge uploads an object of one blob as it is read.
func (s *S3) appendLarge(ctx context.Context, f *frame, src io.Reader) (Ref, error) {
	f.segment = s.newID()
	if err := s.put(ctx, f.segment, f.length(), newFramed(f, src)); err != nil {
		s.forget(f.segment, f.length(), err)
		return Ref{}, err
	}
	ref := Ref{Segment: f.segment, Size: f.size}
	s.mu.Lock()
	defer s.mu.Unlock()
	seg := &segment{id: f.segment, size: f.length(), sealed: true}
	seg.add(ref)
	s.segments[seg.id] = seg
	return ref, nil
}

// forget removes an object that may have arrived despite the error.
func (s *S3) forget(id uint64, size int64, err error) {
	if refused(err) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	seg := &segment{id: id, size: size, sealed: true, failed: err}
	s.segments[id] = seg
	s.settle(seg)
}

// isThere tells whether an upload failed because there is such an object.
func isThere(err error) bool { return minio.ToErrorResponse(err).Code == minio.PreconditionFailed }

// refused tells whether an upload failed because the server did not want it: it
// has stored nothing, or another has before.
func refused(err error) bool {
	code := minio.ToErrorResponse(err).StatusCode
	return code >= 400 && code < 500 && code != http.StatusRequestTimeout
}

// pack is an object of small blobs.
type pack struct {
	seg  *segment
	buf  []byte
	done chan struct{}
	err  error
}

// pack puts a blob into the next object and waits until that is stored.
func (s *S3) pack(ctx context.Context, f *frame, data []byte) (Ref, error) {
	sum := checksum(data)
	s.mu.Lock()
	p := s.join(f.length())
	ref := Ref{Segment: p.seg.id, Offset: int64(len(p.buf)), Size: f.size}
	f.segment = p.seg.id
	p.buf = f.appendHeader(p.buf)
	p.buf = append(p.buf, data...)
	p.buf = f.appendTrailer(p.buf, sum, magicEnd)
	s.upload()
	s.mu.Unlock()
	var err error
	select {
	case <-p.done:
		err = p.err
	case <-ctx.Done():
		err = ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		p.seg.add(ref)
	}
	if p.seg.pending--; !refused(err) {
		s.settle(p.seg)
	}
	return ref, err
}

// join gives the pack that n octets go to; the mutex is held.
func (s *S3) join(n int64) *pack {
	if k := len(s.packs); k > 0 && int64(len(s.packs[k-1].buf))+n <= maxPack {
		p := s.packs[k-1]
		p.seg.pending++
		return p
	}
	seg := &segment{id: s.next, pending: 2} // one is the upload's
	s.next++
	s.segments[seg.id] = seg
	p := &pack{seg: seg, done: make(chan struct{})}
	s.packs = append(s.packs, p)
	return p
}

// upload begins to upload the first pack that waits, if it may: at once where
// none runs, beside others where it is worth a request of its own. The mutex is
// held.
func (s *S3) upload() {
	if s.puts == maxPuts || len(s.packs) == 0 {
		return
	}
	p := s.packs[0]
	blobs := p.seg.pending - 1
	if len(s.packs) == 1 && blobs < 2*s.puts && len(p.buf) < minPack {
		return
	}
	s.packs = s.packs[1:]
	s.puts++
	s.appends.Add(1)
	go func() {
		defer s.appends.Done()
		ctx, cancel := context.WithTimeout(s.life, putTime)
		defer cancel()
		p.err = s.put(ctx, p.seg.id, int64(len(p.buf)), bytes.NewReader(p.buf))
		s.mu.Lock()
		defer s.mu.Unlock()
		p.seg.size, p.seg.sealed, p.seg.failed, p.buf = int64(len(p.buf)), true, p.err, nil
		p.seg.pending--
		if refused(p.err) {
			delete(s.segments, p.seg.id)
		} else {
			s.settle(p.seg)
		}
		close(p.done)
		s.puts--
		s.upload()
	}()
}

// Open implements Store.
func (s *S3) Open(ctx context.Context, ref Ref) (Reader, error) {
	if !ref.valid() {
		return nil, fmt.Errorf("blob: open: %w", errRef)
	}
	o := &object{s: s, ctx: ctx, name: s.object(ref.Segment), end: ref.Offset + ref.Size + maxOverhead}
	r, err := newReader(o, ref)
	if err != nil {
		o.Close()
		return nil, fmt.Errorf("blob: open %s: %w", ref, explained(err))
	}
	return r, nil
}

// Records implements Store.
func (s *S3) Records(ctx context.Context) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for o := range s.core.ListObjectsIter(ctx, s.opt.Bucket, minio.ListObjectsOptions{Prefix: s.opt.Prefix}) {
			if o.Err != nil {
				yield(Record{}, fmt.Errorf("blob: %w", o.Err))
				return
			}
			if id, ok := segmentID(strings.TrimPrefix(o.Key, s.opt.Prefix)); ok && !s.objectRecords(ctx, id, o.Size, true, yield) {
				return
			}
		}
	}
}

func (s *S3) objectRecords(ctx context.Context, id uint64, size int64, verify bool, yield func(Record, error) bool) bool {
	o := &object{s: s, ctx: ctx, name: s.object(id), end: size}
	defer o.Close()
	return scan(ctx, o, id, size, verify, yield)
}

// Compact implements Store.
func (s *S3) Compact(ctx context.Context, owner Owner) (int64, error) {
	return s.compact(ctx, s, owner, func(seg *segment) iter.Seq2[Record, error] {
		return func(yield func(Record, error) bool) { s.objectRecords(ctx, seg.id, seg.size, false, yield) }
	})
}

// Close implements Store.
func (s *S3) Close() error {
	defer time.AfterFunc(closeTime, s.end).Stop()
	if s.ledger.close() {
		if !s.opt.ReadOnly {
			s.reaper.stop()
		}
		return s.release()
	}
	return nil
}

// release gives up what an open store holds.
func (s *S3) release() error {
	s.end()
	if s.http != nil {
		s.http.CloseIdleConnections()
	}
	if s.lock != nil {
		return s.lock.Close()
	}
	return nil
}

var _ Store = (*S3)(nil)
