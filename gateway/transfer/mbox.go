package transfer

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Bounds of an mbox.
const (
	maxMboxDepth  = 32
	maxMboxHeader = 1 << 20 // of one message, searched for flags
)

// Mbox is a file in mbox form (RFC 4155 and its variants), or a folder of
// such files, Thunderbird's included.
type Mbox struct {
	path  string
	into  string // the folder of a single file
	files []mboxFile
}

type mboxFile struct {
	Folder
	path   string
	starts []int64 // where each "From " line begins; the last is the end
}

// OpenMbox reads the file or folder at path. The messages of a file go to the
// folder into, INBOX where it is "".
func OpenMbox(path, into string) (*Mbox, error) {
	if into == "" {
		into = Inbox
	}
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	return &Mbox{path: path, into: into}, nil
}

// Close implements Source.
func (m *Mbox) Close() error { return nil }

// Scan implements Source.
func (m *Mbox) Scan(ctx context.Context) ([]Folder, Total, error) {
	m.files = nil
	info, err := os.Stat(m.path)
	if err != nil {
		return nil, Total{}, err
	}
	if info.IsDir() {
		err = m.find(m.path, "", 0)
	} else {
		m.files = []mboxFile{{Folder: Folder{Name: inboxName(m.into)}, path: m.path}}
	}
	if err != nil {
		return nil, Total{}, err
	}
	if len(m.files) == 0 {
		return nil, Total{}, fmt.Errorf("%s has no file in mbox form (they begin with \"From \")", m.path)
	}
	var folders []Folder
	var total Total
	for i := range m.files {
		f := &m.files[i]
		if err := f.scan(ctx); err != nil {
			return nil, Total{}, fmt.Errorf("%s: %w", f.path, err)
		}
		f.Role, f.Subscribed = roleOf(f.Name), true
		folders = append(folders, f.Folder)
		total.Messages += int64(len(f.starts) - 1)
		total.Octets += f.starts[len(f.starts)-1] - f.starts[0]
	}
	return folders, total, nil
}

// find adds the files below dir. Thunderbird keeps the folders in X in X.sbd.
func (m *Mbox) find(dir, name string, depth int) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		child := strings.TrimSuffix(e.Name(), ".sbd")
		if !e.IsDir() {
			child = strings.TrimSuffix(child, ".mbox")
		}
		child = folderName(child)
		if name != "" {
			child = name + "/" + child
		}
		switch {
		case e.IsDir() && depth < maxMboxDepth:
			if err := m.find(path, child, depth+1); err != nil {
				return err
			}
		case e.Type().IsRegular() && IsMbox(path):
			m.files = append(m.files, mboxFile{Folder: Folder{Name: inboxName(child)}, path: path})
		}
	}
	return nil
}

// IsMbox tells whether a file begins as an mbox does; an empty one is none.
func IsMbox(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, 5)
	_, err = io.ReadFull(f, head)
	return err == nil && string(head) == "From "
}

// scan finds where the messages of a file begin.
func (f *mboxFile) scan(ctx context.Context) error {
	r, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer r.Close()
	var at int64
	blank, whole := true, true // the line before was empty; a line begins
	for br := bufio.NewReaderSize(r, 256<<10); ; {
		line, err := br.ReadSlice('\n')
		if len(line) > 0 {
			if whole && blank && IsFromLine(line) {
				f.starts = append(f.starts, at)
			}
			blank = whole && len(bytes.TrimRight(line, "\r\n")) == 0
			whole = line[len(line)-1] == '\n'
			at += int64(len(line))
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	if len(f.starts) == 0 && at > 0 {
		return errors.New(`not in mbox form: no line begins with "From "`)
	}
	f.starts = append(f.starts, at)
	return nil
}

// IsFromLine tells a "From " line from a sentence that begins so: it has a
// time of day.
func IsFromLine(line []byte) bool {
	if !bytes.HasPrefix(line, []byte("From ")) {
		return false
	}
	for i := 7; i+2 < len(line); i++ {
		if line[i] == ':' && digit(line[i-1]) && digit(line[i+1]) && digit(line[i+2]) {
			return true
		}
	}
	return false
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// Messages implements Source.
func (m *Mbox) Messages(ctx context.Context) iter.Seq2[*Message, error] {
	return func(yield func(*Message, error) bool) {
		for i := range m.files {
			if !m.files[i].messages(ctx, yield) {
				return
			}
		}
	}
}

func (f *mboxFile) messages(ctx context.Context, yield func(*Message, error) bool) bool {
	r, err := os.Open(f.path)
	if err != nil {
		yield(nil, err)
		return false
	}
	defer r.Close()
	for i := range len(f.starts) - 1 {
		if err := ctx.Err(); err != nil {
			yield(nil, err)
			return false
		}
		start, end := f.starts[i], f.starts[i+1]
		m, skip, err := f.message(io.NewSectionReader(r, start, end-start), i)
		if skip {
			continue
		}
		if !yield(m, err) {
			return false
		}
	}
	return true
}

// message reads what a section says of itself. Skip: it is no message of the
// user's.
func (f *mboxFile) message(section *io.SectionReader, n int) (m *Message, skip bool, err error) {
	m = &Message{Folder: f.Name, Key: f.Name + "/" + strconv.Itoa(n), Size: section.Size()}
	br := bufio.NewReaderSize(section, 64<<10)
	from, err := br.ReadString('\n')
	if err != nil {
		return m, false, fmt.Errorf("message %d ends in its From line", n+1)
	}
	m.Date = fromDate(from)
	s := readStatus(br)
	if s.skip {
		return nil, true, nil
	}
	m.Flags = s.flags()
	if s.labels != nil {
		m.Folder = gmailFolder(s.labels)
		m.Flags = gmailFlags(s.labels, m.Flags)
	}
	m.Open = func(context.Context) (io.ReadCloser, error) {
		body := io.NewSectionReader(section, int64(len(from)), section.Size()-int64(len(from)))
		return io.NopCloser(NewCRLFReader(newMboxReader(body))), nil
	}
	return m, false, nil
}

// fromDate is the time in a "From " line: "From a@example.org Thu Jan  1
// 00:00:00 1970", with and without zone.
func fromDate(line string) time.Time {
	fields := strings.Fields(line)
	for i := len(fields) - 1; i > 0; i-- {
		if !strings.Contains(fields[i], ":") || i < 3 {
			continue
		}
		rest := strings.Join(fields[i-3:], " ")
		for _, layout := range []string{"Mon Jan 2 15:04:05 2006", "Mon Jan 2 15:04:05 -0700 2006", "Mon Jan 2 15:04:05 2006 -0700", "Mon Jan 2 15:04:05 MST 2006", "Mon Jan 2 15:04 2006"} {
			if t, err := time.Parse(layout, rest); err == nil {
				return t
			}
		}
	}
	return time.Time{}
}

// statusFields are those in which mail programs keep flags in an mbox; they
// are no part of the message.
var statusFields = []string{"status", "x-status", "x-keywords", "x-uid", "x-imap", "x-imapbase", "x-mozilla-status", "x-mozilla-status2", "x-mozilla-keys"}

// mboxReader takes the quoting of an mbox away: a ">" before "From ", the
// fields of flags, the empty line that ends each message.
type mboxReader struct {
	r      *bufio.Reader
	header bool
	whole  bool // a line begins
	skip   bool // what is read belongs to a field that is left out
	out    []byte
	blank  []byte // an empty line that may be the last
	joined []byte // it and the line after it: not in r's buffer
	err    error
}

func newMboxReader(r io.Reader) *mboxReader {
	return &mboxReader{r: bufio.NewReaderSize(r, 32<<10), header: true, whole: true}
}

// Read implements io.Reader.
func (m *mboxReader) Read(p []byte) (int, error) {
	for len(m.out) == 0 {
		if m.err != nil {
			return 0, m.err
		}
		m.next()
	}
	n := copy(p, m.out)
	m.out = m.out[n:]
	return n, nil
}

// next reads a line, or a piece of a long one.
func (m *mboxReader) next() {
	line, err := m.r.ReadSlice('\n')
	if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
		m.err = err
	}
	if len(line) == 0 {
		return
	}
	begins := m.whole
	m.whole = line[len(line)-1] == '\n'
	empty := begins && m.whole && len(bytes.TrimRight(line, "\r\n")) == 0
	if m.header {
		if begins && line[0] != ' ' && line[0] != '\t' {
			m.skip = isStatusField(line)
		}
		if empty {
			m.header, m.skip = false, false
			m.out = line
			return
		}
		if !m.skip {
			m.out = line
		}
		return
	}
	m.joined = m.joined[:0]
	if begins {
		m.joined = append(m.joined, m.blank...)
		m.blank = m.blank[:0]
	}
	m.out = m.joined
	if empty {
		m.blank = append(m.blank[:0], line...)
		return
	}
	if begins && line[0] == '>' && bytes.HasPrefix(bytes.TrimLeft(line, ">"), []byte("From ")) {
		line = line[1:]
	}
	if m.out = line; len(m.joined) > 0 {
		m.joined = append(m.joined, line...)
		m.out = m.joined
	}
}

func isStatusField(line []byte) bool {
	i := bytes.IndexByte(line, ':')
	return i > 0 && i <= len("x-mozilla-status2") && slices.Contains(statusFields, strings.ToLower(string(line[:i])))
}
