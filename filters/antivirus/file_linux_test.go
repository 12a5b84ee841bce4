package antivirus

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gapura-mail/gapura/filters/filtertest"
)

// startLocal runs a clamd on a unix socket; fildes answers files.
func startLocal(t *testing.T, fildes func(s *session)) (f *fake, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	f = &fake{Listener: l, fildes: fildes}
	f.wg.Add(1)
	go f.serve(func(s *session) { s.judge() })
	t.Cleanup(func() { l.Close(); f.wg.Wait() })
	return f, path
}

// file keeps what is in the file that comes as a stream.
func (s *session) file() {
	if text, ok := s.passed(); ok {
		s.fake.mu.Lock()
		s.fake.streams = append(s.fake.streams, text)
		s.fake.mu.Unlock()
	}
}

func (s *session) passed() (text string, ok bool) {
	one, oob := make([]byte, 1), make([]byte, 64)
	n, k, _, _, err := s.Conn.(*net.UnixConn).ReadMsgUnix(one, oob)
	if err != nil || n != 1 {
		return "", false
	}
	list, err := syscall.ParseSocketControlMessage(oob[:k])
	if err != nil || len(list) != 1 {
		return "", false
	}
	fds, err := syscall.ParseUnixRights(&list[0])
	if err != nil || len(fds) != 1 {
		return "", false
	}
	f := os.NewFile(uintptr(fds[0]), "file")
	defer f.Close()
	b, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<40))
	return string(b), err == nil
}

func TestMessagesAreGivenAsFiles(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		size        int
		reply, want string
		file        bool
	}{
		"small":    {10, "fd[7]: OK", "clean", true},
		"large":    {1 << 20, "fd[10]: OK", "clean", true},
		"infected": {100 << 10, "fd[7]: Test.Virus: x FOUND", "infected Test.Virus: x", true},
		"longest":  {maxFile - 14, "fd[7]: OK", "clean", true},
		"too long": {maxFile - 13, "fd[7]: Never.Seen FOUND", "clean", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, path := startLocal(t, func(s *session) { s.file(); s.say(c.reply) })
			raw := "Subject: x\r\n\r\n" + strings.Repeat("x", c.size-2) + "\r\n"
			f := newFilter(t, Options{Clamd: Addresses{path}})
			if got, err := judge(t, f, filtertest.New(t, raw)); got != c.want || err != nil {
				t.Errorf("%q, %v; want %q", got, err, c.want)
			}
			want := "INSTREAM"
			if c.file {
				want = "FILDES"
			}
			commands, streams := d.seen()
			if !slices.Equal(commands, []string{want}) || len(streams) != 1 || streams[0] != raw {
				t.Errorf("%q, and %d messages came", commands, len(streams))
			}
		})
	}
}

// TestWhoTakesNoFileIsSentAStream, the same message and others for a while.
func TestWhoTakesNoFileIsSentAStream(t *testing.T) {
	t.Parallel()
	for name, fildes := range map[string]func(s *session){
		"no descriptor": func(s *session) { s.say("No file descriptor received. ERROR") },
		"hangs up":      func(*session) {},
		"other error":   func(s *session) { s.file(); s.say("fd[7]: Can't open file or directory ERROR") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, path := startLocal(t, fildes)
			f := newFilter(t, Options{Clamd: Addresses{path}})
			for range 2 {
				if got, err := judge(t, f, filtertest.New(t, plain+"VIRUS\n")); got != "infected Test.Virus" || err != nil {
					t.Errorf("%q, %v", got, err)
				}
			}
			if commands, _ := d.seen(); !slices.Equal(commands, []string{"FILDES", "INSTREAM", "INSTREAM"}) {
				t.Errorf("%q", commands)
			}
			if f.pool.takesFiles() {
				t.Error("asked again at once")
			}
		})
	}
}

func TestFilesAreTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDaemon("/run/clamd.sock")
		if !d.takesFiles() || newDaemon("localhost:3310").takesFiles() {
			t.Error("not through sockets alone")
		}
		d.tookNone()
		if d.takesFiles() {
			t.Error("at once")
		}
		if time.Sleep(fileBackOff); !d.takesFiles() {
			t.Error("never")
		}
	})
}

// TestADaemonThatDiesIsGivenFilesAgain: it was not the file that it did not
// like.
func TestADaemonThatDiesIsGivenFilesAgain(t *testing.T) {
	t.Parallel()
	d, path := startLocal(t, func(s *session) { s.file(); s.fake.Close() })
	f := newFilter(t, Options{Clamd: Addresses{path}})
	if got, err := judge(t, f, filtertest.New(t, plain)); err == nil {
		t.Errorf("%q", got)
	}
	if commands, _ := d.seen(); !slices.Equal(commands, []string{"FILDES"}) || !f.pool.takesFiles() {
		t.Errorf("%q", commands)
	}
}

// TestTheLocalDaemonIsFound, and again where it has moved.
func TestTheLocalDaemonIsFound(t *testing.T) {
	t.Parallel()
	bySocket, path := startLocal(t, func(s *session) { s.file(); s.say("fd[7]: OK") })
	byPort := startFake(t, nil)
	f := newFilter(t, Options{})
	d := f.pool.daemons[0]
	if len(d.places) != len(usual) || f.pool.takesFiles() {
		t.Errorf("%+v", d.places)
	}
	d.places = []place{newPlace(filepath.Join(t.TempDir(), "none")), newPlace(path), newPlace(byPort.addr())}
	for range 2 {
		if got, err := judge(t, f, filtertest.New(t, plain)); got != "clean" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	}
	if commands, _ := bySocket.seen(); !slices.Equal(commands, []string{"VERSION", "FILDES", "FILDES"}) {
		t.Errorf("%q", commands)
	}
	bySocket.Close()
	if _, err := judge(t, f, filtertest.New(t, plain)); err == nil {
		t.Error("nobody is there")
	}
	d.retry = time.Time{}
	if got, err := judge(t, f, filtertest.New(t, plain)); got != "clean" || err != nil || d.at().addr != byPort.addr() {
		t.Errorf("%q, %v", got, err)
	}
	byPort.Close()
	d.end(broke)
	d.end(broke)
	d.retry = time.Time{}
	if _, err := judge(t, f, filtertest.New(t, plain)); err == nil || !strings.Contains(err.Error(), "refused") || strings.Contains(err.Error(), "no such file") {
		t.Errorf("%v", err)
	}
}

// TestAFileCutShortIsNotGiven.
func TestAFileCutShortIsNotGiven(t *testing.T) {
	t.Parallel()
	d, path := startLocal(t, func(s *session) { s.file(); s.say("fd[7]: OK") })
	f := newFilter(t, Options{Clamd: Addresses{path}})
	v, _, err := f.pool.scan(t.Context(), func(w io.Writer) error {
		_, _ = io.WriteString(w, plain)
		return errCut
	}, int64(len(plain)))
	if !errors.Is(err, errCut) {
		t.Errorf("%+v, %v", v, err)
	}
	if commands, _ := d.seen(); len(commands) != 0 || !f.pool.takesFiles() {
		t.Errorf("%q", commands)
	}
}

func BenchmarkFile(b *testing.B) {
	path := filepath.Join(b.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		b.Fatal(err)
	}
	d := &fake{Listener: l, fildes: func(s *session) {
		one, oob := make([]byte, 1), make([]byte, 64)
		_, k, _, _, _ := s.Conn.(*net.UnixConn).ReadMsgUnix(one, oob)
		list, _ := syscall.ParseSocketControlMessage(oob[:k])
		for _, c := range list {
			fds, _ := syscall.ParseUnixRights(&c)
			for _, fd := range fds {
				syscall.Close(fd)
			}
		}
		s.say("fd[7]: OK")
	}}
	d.wg.Add(1)
	go d.serve(nil)
	defer func() { l.Close(); d.wg.Wait() }()
	body := strings.Repeat("x", 1<<20)
	there := newDaemon(path)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		v, err := there.scanFile(b.Context(), path, func(w io.Writer) error {
			_, err := strings.NewReader(body).WriteTo(w)
			return err
		})
		if v.outcome != clean || err != nil {
			b.Fatal(v, err)
		}
	}
}
