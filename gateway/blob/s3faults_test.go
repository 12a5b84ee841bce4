package blob

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/blob/s3test"
)

// between is a server between a store and S3; fault answers instead of S3 where
// it returns true.
type between struct {
	fault atomic.Pointer[func(w http.ResponseWriter, r *http.Request) bool]
	s3    *httputil.ReverseProxy
}

func (b *between) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f := b.fault.Load(); f == nil || !(*f)(w, r) {
		b.s3.ServeHTTP(w, r)
	}
}

// openBetween opens a store over one.
func openBetween(t *testing.T, log *slog.Logger) (*S3, *between) {
	t.Helper()
	opt, err := ParseS3(s3test.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	b := &between{s3: &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(opt.Endpoint)
		r.Out.Host = r.In.Host // it is signed
	}}}
	srv := httptest.NewServer(b)
	t.Cleanup(srv.Close)
	at := opt
	if at.Endpoint, err = url.Parse(srv.URL); err != nil {
		t.Fatal(err)
	}
	s, err := OpenS3(t.Context(), at, log, all(nil))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, b
}

func (b *between) set(f func(w http.ResponseWriter, r *http.Request) bool) { b.fault.Store(&f) }

// denies answers requests of a method with 403, which is not tried again.
func denies(method string, n *atomic.Int64) func(w http.ResponseWriter, r *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != method {
			return false
		}
		n.Add(1)
		io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusForbidden)
		io.WriteString(w, "<Error><Code>AccessDenied</Code><Message>No.</Message></Error>")
		return true
	}
}

func healthy(http.ResponseWriter, *http.Request) bool { return false }

// eventually waits for what the reaper does.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(what)
		}
	}
}

// TestS3CutAnswerIsNotDamage: a connection that breaks while an object is read
// says nothing about the object.
func TestS3CutAnswerIsNotDamage(t *testing.T) {
	t.Parallel()
	s, b := openBetween(t, nil)
	data := octets(1, 300<<10)
	ref := put(t, s, "", data)
	for _, keep := range []int{0, 20, 1000, 290 << 10, len(data) + 35} {
		b.set(func(w http.ResponseWriter, r *http.Request) bool {
			rec := httptest.NewRecorder()
			b.s3.ServeHTTP(rec, r)
			for k, v := range rec.Header() {
				w.Header()[k] = v
			}
			w.WriteHeader(rec.Code)
			w.Write(rec.Body.Bytes()[:keep])
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		})
		r, err := s.Open(t.Context(), ref)
		if err == nil {
			_, err = io.Copy(io.Discard, r)
			r.Close()
		}
		if err == nil || errors.Is(err, ErrCorrupt) || errors.Is(err, ErrNotFound) {
			t.Errorf("%d octets of the answer: %v", keep, err)
		}
	}
	b.set(healthy)
	check(t, s, ref, data)
}

// TestS3SaysWhatItWasTold: the text of an answer may be anything, its code says
// what to do. An object that S3 has not taken needs no removal.
func TestS3SaysWhatItWasTold(t *testing.T) {
	t.Parallel()
	s, b := openBetween(t, nil)
	var puts, others atomic.Int64
	deny := denies(http.MethodPut, &puts)
	b.set(func(w http.ResponseWriter, r *http.Request) bool {
		if deny(w, r) {
			return true
		}
		others.Add(1)
		return false
	})
	for _, n := range []int{10, 2 << 20} {
		_, err := s.Append(t.Context(), "", int64(n), bytes.NewReader(octets(1, n)))
		if err == nil || !strings.Contains(err.Error(), "S3: No. (AccessDenied, status 403)") {
			t.Error(err)
		}
	}
	if err := s.Close(); err != nil || puts.Load() != 2 || others.Load() != 0 || s.Usage().Segments != 0 {
		t.Errorf("%v, %d uploads, %d other requests, %+v", err, puts.Load(), others.Load(), s.Usage())
	}
}

// TestS3RemovesLater: objects that could not be removed are when that is
// possible again, not at the next start; until then S3 is left alone.
func TestS3RemovesLater(t *testing.T) {
	t.Parallel()
	var said lines
	s, b := openBetween(t, slog.New(slog.NewTextHandler(&said, nil)))
	s.reaper.again = 50 * time.Millisecond
	var refs []Ref
	for i := range 30 {
		refs = append(refs, put(t, s, "", octets(uint64(i), 100)))
	}
	var tried atomic.Int64
	b.set(denies(http.MethodDelete, &tried))
	s.Release(refs...)
	eventually(t, "it gives up", func() bool { return said.count("could not be removed") >= 2 })
	if n, rounds := tried.Load(), int64(said.count("could not be removed")); n > (rounds+1)*maxDeletes {
		t.Errorf("%d requests in %d rounds", n, rounds)
	}
	if n := s.Usage().Segments; n != len(refs) {
		t.Errorf("%d objects, %d are there", n, len(refs))
	}
	b.set(healthy)
	eventually(t, "they are never removed", func() bool { return s.Usage().Segments == 0 })
	for rec, err := range s.Records(t.Context()) {
		t.Error(rec, err)
	}
}

// TestS3RemovesAsFastAsItStores: one removal after the other would fall behind
// uploads, of which many run at once.
func TestS3RemovesAsFastAsItStores(t *testing.T) {
	t.Parallel()
	s, b := openBetween(t, nil)
	var refs []Ref
	for i := range maxPuts {
		refs = append(refs, put(t, s, "", octets(uint64(i), 100)))
	}
	var all sync.WaitGroup
	all.Add(maxPuts)
	b.set(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodDelete {
			all.Done()
			all.Wait()
		}
		return false
	})
	s.Release(refs...)
	eventually(t, "removals wait for each other", func() bool { return s.Usage().Segments == 0 })
}

// TestS3SharesUploads: while one upload runs, the next begins when it has more
// than one blob to take, or when the first has ended.
func TestS3SharesUploads(t *testing.T) {
	t.Parallel()
	s, b := openBetween(t, nil)
	var puts atomic.Int64
	free := make(chan struct{})
	b.set(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut {
			puts.Add(1)
			<-free
		}
		return false
	})
	var wg sync.WaitGroup
	add := func(n int) {
		wg.Go(func() { put(t, s, "", octets(uint64(n), n)) })
	}
	waiting := func() int {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.packs)
	}
	add(100)
	eventually(t, "the first is not stored", func() bool { return puts.Load() == 1 })
	add(101)
	eventually(t, "the second does not come", func() bool { return waiting() == 1 || puts.Load() == 2 })
	if puts.Load() != 1 {
		t.Error("the second has an upload of its own")
	}
	add(102)
	eventually(t, "two are not worth an upload", func() bool { return puts.Load() == 2 && waiting() == 0 })
	add(minPack)
	eventually(t, "many octets are not worth an upload", func() bool { return puts.Load() == 3 })
	add(103)
	eventually(t, "the last does not come", func() bool { return waiting() == 1 })
	close(free)
	wg.Wait()
	if n := puts.Load(); n != 4 {
		t.Error(n, "uploads")
	}
}

// TestS3ClosesThoughItHangs: a gateway can be stopped while S3 does not answer.
func TestS3ClosesThoughItHangs(t *testing.T) {
	t.Parallel()
	s, b := openBetween(t, nil)
	var refs []Ref
	for i := range 3 * maxDeletes {
		refs = append(refs, put(t, s, "", octets(uint64(i), 100)))
	}
	hangs := make(chan struct{}, 100)
	b.set(func(_ http.ResponseWriter, r *http.Request) bool {
		io.Copy(io.Discard, r.Body)
		hangs <- struct{}{}
		<-r.Context().Done()
		return true
	})
	s.Release(refs...)
	failed := make(chan error)
	go func() {
		_, err := s.Append(t.Context(), "", 5, strings.NewReader("hello"))
		failed <- err
	}()
	for range maxDeletes + 1 {
		<-hangs
	}
	began := time.Now()
	s.Close()
	if took := time.Since(began); took > 3*closeTime {
		t.Error(took)
	}
	if err := <-failed; err == nil {
		t.Error("stored")
	}
}

// lines is a log that is counted.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) count(s string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.buf.String(), s)
}

// TestS3LostAnswerIsNoRefusal: the upload has gone well, though the next try of
// it finds the object there.
func TestS3LostAnswerIsNoRefusal(t *testing.T) {
	t.Parallel()
	s, b := openBetween(t, nil)
	var lost atomic.Int64
	b.set(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut || lost.Add(1) > 1 {
			return false
		}
		b.s3.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler) // the connection breaks without an answer
	})
	data := octets(1, 1000)
	check(t, s, put(t, s, "", data), data)
	if n := lost.Load(); n < 2 {
		t.Errorf("%d tries", n)
	}
}
