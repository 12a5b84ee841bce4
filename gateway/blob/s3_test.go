package blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/minio/minio-go/v7"

	"github.com/gapura-mail/gapura/gateway/blob/s3test"
)

const bucket = s3test.Bucket

func openS3(t testing.TB, at string, live ...Ref) *S3 {
	t.Helper()
	opt, err := ParseS3(at)
	if err != nil {
		t.Fatal(err)
	}
	s, err := OpenS3(t.Context(), opt, nil, all(live))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestS3PacksWhatComesTogether(t *testing.T) {
	t.Parallel()
	s := openS3(t, s3test.URL(t))
	const n = 200
	var wg sync.WaitGroup
	refs := make([]Ref, n)
	for i := range n {
		wg.Go(func() {
			b := octets(uint64(i), 2000)
			var err error
			if refs[i], err = s.Append(t.Context(), "", int64(len(b)), bytes.NewReader(b)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if u := s.Usage(); u.Segments > n/2 {
		t.Errorf("%d objects for %d blobs at once", u.Segments, n)
	}
	for i, ref := range refs {
		check(t, s, ref, octets(uint64(i), 2000))
	}
}

// TestS3NeverOverwrites: what another has stored under the next name stays,
// and is not removed either.
func TestS3NeverOverwrites(t *testing.T) {
	t.Parallel()
	s := openS3(t, s3test.URL(t))
	for _, n := range []int{10, 2 << 20} {
		s.mu.Lock()
		name := s.object(s.next)
		s.mu.Unlock()
		if _, err := s.core.Client.PutObject(t.Context(), bucket, name, strings.NewReader("theirs"), 6, minio.PutObjectOptions{}); err != nil {
			t.Fatal(err)
		}
		b := octets(1, n)
		if ref, err := s.Append(t.Context(), "", int64(n), bytes.NewReader(b)); err == nil {
			t.Error(ref)
		}
		check(t, s, put(t, s, "", b), b)
		if o, err := s.core.StatObject(t.Context(), bucket, name, minio.StatObjectOptions{}); err != nil || o.Size != 6 {
			t.Error(o, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestS3HasOneOwner is about two hosts, each with a database of its own, and one
// bucket.
func TestS3HasOneOwner(t *testing.T) {
	t.Parallel()
	opt, err := ParseS3(s3test.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	as := func(owner string) error {
		opt.Owner = owner
		s, err := OpenS3(t.Context(), opt, nil, all(nil))
		if err != nil {
			return err
		}
		_, err = s.Append(t.Context(), "", 5, strings.NewReader("hello"))
		return errors.Join(err, s.Close())
	}
	for range 2 {
		if err := as("database A"); err != nil {
			t.Fatal(err)
		}
		if err := as("database B"); !errors.Is(err, ErrOwner) || !strings.Contains(err.Error(), opt.Prefix+"owner") {
			t.Fatal(err)
		}
	}
	opt.ReadOnly = true
	s, err := OpenS3(t.Context(), opt, nil, nil)
	if err != nil {
		t.Fatal("readers need not own it:", err)
	}
	s.Close()
	opt.ReadOnly, opt.Prefix = false, opt.Prefix+"race/"
	errs := make(chan error)
	for i := range 4 {
		go func() {
			opt := opt
			opt.Owner = fmt.Sprint("database ", i)
			s, err := OpenS3(t.Context(), opt, nil, all(nil))
			if err == nil {
				err = s.Close()
			}
			errs <- err
		}()
	}
	won := 0
	for range 4 {
		if err := <-errs; err == nil {
			won++
		} else if !errors.Is(err, ErrOwner) {
			t.Error(err)
		}
	}
	if won != 1 {
		t.Error(won, "own it")
	}
}

func TestS3SaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	at := s3test.URL(t)
	opt, err := ParseS3(strings.Replace(at, bucket, "no-such-bucket", 1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenS3(t.Context(), opt, nil, nil); err == nil || !strings.Contains(err.Error(), "no-such-bucket") {
		t.Error(err)
	}
	s := openS3(t, at)
	if _, err := s.Open(t.Context(), Ref{Segment: 1, Size: 5}); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Append(ctx, "", 5, strings.NewReader("hello")); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestS3URLs(t *testing.T) {
	t.Parallel()
	opt, err := ParseS3("s3://bucket/a/b/?endpoint=http://127.0.0.1:9000&region=x")
	if err != nil || opt.Bucket != "bucket" || opt.Prefix != "a/b/" || opt.Endpoint.Host != "127.0.0.1:9000" || opt.Region != "x" {
		t.Error(opt, err)
	}
	for _, bad := range []string{"s3://", "s3://k:5tr1ctly@b", "s3://b?x=5tr1ctly", "s3://b?region=a&region=5tr1ctly", "s3://b?endpoint=ftp://5tr1ctly", "s3://b?endpoint=http://u:5tr1ctly@h", "http://5tr1ctly", "%5tr1ctly", "5tr1ctly"} {
		if err := CheckURL(bad); err == nil || strings.Contains(err.Error(), "5tr1ctly") {
			t.Errorf("%s: %v", bad, err)
		}
	}
	for _, good := range []string{"", "files", "s3://b"} {
		if err := CheckURL(good); err != nil {
			t.Error(good, err)
		}
	}
}
