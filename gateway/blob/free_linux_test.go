package blob

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// sized makes a file of so many octets, and a look at it by no name.
func sized(t *testing.T, size int) (name string, look *os.File) {
	t.Helper()
	name = filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, octets(1, size), 0o600); err != nil {
		t.Fatal(err)
	}
	look, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { look.Close() })
	return name, look
}

func sizeOf(t *testing.T, f *os.File) int64 {
	t.Helper()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// again opens a file that may have no name any more.
func again(f *os.File) (File, error) { return osFS{}.Open(fmt.Sprintf("/proc/self/fd/%d", f.Fd())) }

func TestWhatWasRemovedIsFreedBitByBit(t *testing.T) {
	t.Parallel()
	name, look := sized(t, 3*freeStep+5)
	free, err := osFS{}.Remove(name)
	if err != nil {
		t.Fatal(err)
	}
	var sizes []int64
	free(func() bool {
		sizes = append(sizes, sizeOf(t, look))
		if _, err := again(look); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("opened while it was cut down: %v", err)
		}
		return false
	})
	if sizes = append(sizes, sizeOf(t, look)); !slices.Equal(sizes, []int64{3*freeStep + 5, 2*freeStep + 5, freeStep + 5, 5}) {
		t.Errorf("sizes were %d", sizes)
	}
	// Who had found it before it was removed, and comes when all is over.
	if _, err := again(look); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("opened after it was cut down: %v", err)
	}
}

func TestWhoIsInAHurryLeavesItToTheSystem(t *testing.T) {
	t.Parallel()
	name, look := sized(t, 3*freeStep)
	free, err := osFS{}.Remove(name)
	if err != nil {
		t.Fatal(err)
	}
	if free(func() bool { return true }); sizeOf(t, look) != 3*freeStep {
		t.Errorf("%d octets are left", sizeOf(t, look))
	}
	if _, err := osFS.Remove(osFS{}, name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("removed twice: %v", err)
	}
}

// A backup of hard links is as good as any: cp -l, rsync --link-dest.
func TestAFileWithAnotherNameIsLeftAsItIs(t *testing.T) {
	t.Parallel()
	name, look := sized(t, 2*freeStep)
	other := name + ".backup"
	if err := os.Link(name, other); err != nil {
		t.Fatal(err)
	}
	free, err := osFS{}.Remove(name)
	if err != nil {
		t.Fatal(err)
	}
	if free(func() bool { return false }); sizeOf(t, look) != 2*freeStep {
		t.Errorf("the backup has %d octets", sizeOf(t, look))
	}
}

// Backup programs lock what they read; that is no reason to say it is not there.
func TestSomebodyElsesLockDoesNotHideAFile(t *testing.T) {
	t.Parallel()
	name, look := sized(t, 10)
	if err := syscall.Flock(int(look.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	f, err := osFS{}.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
}

// slowlyFS frees nothing until it is to hurry.
type slowlyFS struct {
	osFS
	freeing chan string
}

func (s slowlyFS) Remove(name string) (func(func() bool), error) {
	free, err := s.osFS.Remove(name)
	return func(hurry func() bool) {
		s.freeing <- filepath.Base(name)
		for !hurry() {
			time.Sleep(time.Millisecond)
		}
		free(hurry)
	}, err
}

func TestCloseWaitsForNoDeadSegment(t *testing.T) {
	t.Parallel()
	slowly := slowlyFS{freeing: make(chan string, 10)}
	s, err := OpenFiles(t.Context(), Options{Dir: t.TempDir(), Large: 64 << 10, FS: slowly}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var refs []Ref
	for i := range 5 {
		refs = append(refs, put(t, s, fmt.Sprint(i), octets(1, 64<<10)))
	}
	s.Release(refs...)
	<-slowly.freeing // the first one: it waits with all others behind it
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if n := len(slowly.freeing); n != 4 {
		t.Errorf("%d of 4 others were removed at the end", n)
	}
}

func TestReaderKeepsItsOctets(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("BLOB_TEST_READ")
	if dir != "" {
		readElsewhere(t, dir)
		return
	}
	dir = t.TempDir()
	s, err := OpenFiles(t.Context(), Options{Dir: dir}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	data := octets(2, 3*freeStep)
	read, unread := put(t, s, "read", data), put(t, s, "unread", data)

	cmd := exec.Command(os.Args[0], "-test.run=^TestReaderKeepsItsOctets$")
	cmd.Env = append(cmd.Environ(), "BLOB_TEST_READ="+dir, fmt.Sprintf("BLOB_TEST_REF=%d %d %d", read.Segment, read.Offset, read.Size))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	out := bufio.NewReader(pipe)
	if line, err := out.ReadString('\n'); line != "open\n" {
		t.Fatal(line, err)
	}
	look, err := os.Open(s.path(unread.Segment))
	if err != nil {
		t.Fatal(err)
	}
	defer look.Close()
	s.Release(read, unread)
	eventually(t, "they are never removed", func() bool { return s.Usage().Segments == 0 })
	if n := sizeOf(t, look); n > freeStep {
		t.Errorf("%d octets are left of what nobody read", n)
	}
	if _, err := get(s, read); !errors.Is(err, ErrNotFound) {
		t.Errorf("opened after it was removed: %v", err)
	}
	in.Close()
	rest, _ := io.ReadAll(out)
	if err := cmd.Wait(); err != nil || !strings.HasPrefix(string(rest), "as it was\n") {
		t.Errorf("%v\n%s", err, rest)
	}
}

// readElsewhere opens a blob, and reads it when standard input ends.
func readElsewhere(t *testing.T, dir string) {
	s, err := OpenFiles(t.Context(), Options{Dir: dir, ReadOnly: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var ref Ref
	if _, err := fmt.Sscan(os.Getenv("BLOB_TEST_REF"), &ref.Segment, &ref.Offset, &ref.Size); err != nil {
		t.Fatal(err)
	}
	r, err := s.Open(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	fmt.Println("open")
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, r); err != nil || n != ref.Size { // the end verifies the checksum
		t.Fatal(n, err)
	}
	fmt.Println("as it was")
}
