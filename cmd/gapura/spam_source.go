package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"github.com/gapura-mail/gapura/gateway/transfer"
)

// Bounds of what is read of messages.
const (
	// maxSpamMessage is how much of a message the commands look at: more than
	// the filter ever reads of one.
	maxSpamMessage = 32 << 20
	// maxIndexLine is how long a line of an index may be.
	maxIndexLine = 64 << 10
)

// spamMessage is one message to be scored or learned.
type spamMessage struct {
	path  string // as it is printed
	at    string // the line of an index that names it, or ""
	label string // ham or spam; "" : nobody says
	part  int64  // what it is of the total of its source
	alone bool   // the file is to be one message
	open  func() (io.ReadCloser, error)
}

// spam tells what the label says.
func (m *spamMessage) spam() bool { return m.label == "spam" }

// read returns the message.
func (m *spamMessage) read(buf *bytes.Buffer) ([]byte, error) {
	r, err := m.open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	buf.Reset()
	if _, err := buf.ReadFrom(io.LimitReader(r, maxSpamMessage)); err != nil {
		return nil, err
	}
	if m.alone && holdsSeveral(buf.Bytes()) {
		return nil, errSeveral
	}
	return buf.Bytes(), nil
}

// errSeveral says that an index names more than a message in a line.
var errSeveral = errors.New("it is an mbox of several messages, where a line of an index names one; write them to files of their own, or learn with --ham or --spam FILE")

// holdsSeveral tells an mbox of several messages from one that a program has
// filed with a "From " line.
func holdsSeveral(raw []byte) bool {
	if !transfer.IsFromLine(lineAt(raw)) {
		return false
	}
	for {
		i := bytes.Index(raw, []byte("\nFrom "))
		if i < 0 {
			return false
		}
		blank := bytes.HasSuffix(bytes.TrimSuffix(raw[:i], []byte("\r")), []byte("\n"))
		if raw = raw[i+1:]; blank && transfer.IsFromLine(lineAt(raw)) {
			return true
		}
	}
}

func lineAt(raw []byte) []byte {
	line, _, _ := bytes.Cut(raw, []byte("\n"))
	return line
}

// errEmptyMessage says that there is nothing to learn.
var errEmptyMessage = errors.New("empty: there is nothing to learn")

func isEmpty(raw []byte) bool { return len(bytes.TrimSpace(raw)) == 0 }

// readLesson returns a message that is to be learned: an empty one teaches
// that mail without text is spam, or ham, which nobody means.
func (m *spamMessage) readLesson(buf *bytes.Buffer) ([]byte, error) {
	raw, err := m.read(buf)
	if err == nil && isEmpty(raw) {
		return nil, errEmptyMessage
	}
	return raw, err
}

// spamSource is where messages come from.
type spamSource struct {
	total    int64 // of the messages' parts, about
	messages iter.Seq2[spamMessage, error]
}

// spamSources returns the messages of all indexes, then those of all paths,
// which have the label.
func (a *app) spamSources(indexes, paths []string, label string) (spamSource, error) {
	var all []spamSource
	for _, name := range indexes {
		s, err := a.indexSource(name)
		if err != nil {
			return spamSource{}, err
		}
		all = append(all, s)
	}
	for _, name := range paths {
		s, err := a.pathSource(name, label)
		if err != nil {
			return spamSource{}, err
		}
		all = append(all, s)
	}
	return joinSources(all...), nil
}

// joinSources returns the messages of one source after the other.
func joinSources(all ...spamSource) spamSource {
	var total int64
	for _, s := range all {
		total += s.total
	}
	return spamSource{total, func(yield func(spamMessage, error) bool) {
		for _, s := range all {
			for m, err := range s.messages {
				if !yield(m, err) {
					return
				}
			}
		}
	}}
}

// indexSource reads an index: lines "spam|ham path", further columns are
// not looked at; paths are relative to the index.
func (a *app) indexSource(name string) (spamSource, error) {
	var total int64
	if name != "-" {
		info, err := os.Stat(name)
		if err != nil {
			return spamSource{}, err
		}
		if info.IsDir() {
			return spamSource{}, fmt.Errorf("%s is a folder; the index is a file in it", name)
		}
		total = info.Size()
	}
	return spamSource{total, func(yield func(spamMessage, error) bool) {
		f, err := a.openMessage(name)
		if err != nil {
			yield(spamMessage{}, err)
			return
		}
		defer f.Close()
		dir := filepath.Dir(name)
		lines := bufio.NewScanner(f)
		lines.Buffer(make([]byte, 4096), maxIndexLine)
		n := 0
		for lines.Scan() {
			n++
			line := lines.Text()
			if n == 1 {
				line = strings.TrimPrefix(line, "\ufeff") // as editors of Windows write it
			}
			m, ok, err := indexLine(dir, line)
			m.at = fmt.Sprintf("%s:%d", name, n)
			if err != nil {
				err = fmt.Errorf("%s: %w", m.at, err)
			}
			if (ok || err != nil) && !yield(m, err) || err != nil {
				return
			}
		}
		if err := lines.Err(); err != nil {
			yield(spamMessage{}, fmt.Errorf("%s:%d: %w", name, n+1, plainLine(err)))
		}
	}}, nil
}

// plainLine says in plain words that a line is too long.
func plainLine(err error) error {
	if errors.Is(err, bufio.ErrTooLong) {
		return fmt.Errorf("the line is longer than %d octets", maxIndexLine)
	}
	return err
}

// indexLine reads a line of an index; ok is false for an empty one and a
// comment.
func indexLine(dir, line string) (m spamMessage, ok bool, err error) {
	fields := strings.Fields(line)
	if len(fields) == 0 || fields[0][0] == '#' {
		return m, false, nil
	}
	m.label = strings.ToLower(fields[0])
	if m.label != "ham" && m.label != "spam" {
		return m, false, fmt.Errorf("%.40q is neither ham nor spam; a line is 'ham PATH' or 'spam PATH'", fields[0])
	}
	if len(fields) < 2 {
		return m, false, errors.New("there is no path after the label; a line is 'ham PATH' or 'spam PATH'")
	}
	file := fields[1]
	if !filepath.IsAbs(file) {
		file = filepath.Join(dir, file)
	}
	m.path, m.part, m.alone = fields[1], int64(len(line))+1, true
	m.open = func() (io.ReadCloser, error) { return os.Open(file) }
	return m, true, nil
}

// pathSource reads a message, an mbox, a Maildir or any folder of those; "-" is
// a message or an mbox on standard input.
func (a *app) pathSource(name, label string) (spamSource, error) {
	if name == "-" {
		return spamSource{0, func(yield func(spamMessage, error) bool) {
			pipedMessages(a.ctx, name, label, a.openStdin(), yield)
		}}, nil
	}
	info, err := os.Stat(name)
	if err != nil {
		return spamSource{}, err
	}
	if !info.IsDir() {
		return spamSource{info.Size(), func(yield func(spamMessage, error) bool) { fileMessages(a.ctx, name, info.Size(), label, yield) }}, nil
	}
	var total int64
	err = walkMail(name, func(_ string, size int64) bool { total += size; return a.ctx.Err() == nil })
	return spamSource{total, func(yield func(spamMessage, error) bool) {
		stop := false
		err := walkMail(name, func(file string, size int64) bool {
			stop = !fileMessages(a.ctx, file, size, label, yield)
			return !stop
		})
		if err != nil && !stop {
			yield(spamMessage{}, err)
		}
	}}, err
}

// walkMail calls each for the files below dir that hold mail, in the order of
// their names: of a Maildir those in cur and new.
func walkMail(dir string, each func(name string, size int64) bool) error {
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := d.Name()
		switch {
		case d.IsDir():
			if base == "tmp" && isDir(filepath.Join(filepath.Dir(name), "cur")) {
				return fs.SkipDir // what is being delivered
			}
			return nil
		case !d.Type().IsRegular(), strings.HasPrefix(base, "."), maildirOwn(name):
			return nil
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) { // moved meanwhile
			return nil
		}
		if err != nil {
			return err
		}
		if !each(name, info.Size()) {
			return fs.SkipAll
		}
		return nil
	})
	return err
}

// maildirOwn tells whether a file is one that a server keeps beside the
// messages of a Maildir.
func maildirOwn(name string) bool {
	dir := filepath.Dir(name)
	base := filepath.Base(dir)
	return base != "cur" && base != "new" && isDir(filepath.Join(dir, "cur")) && isDir(filepath.Join(dir, "new"))
}

func isDir(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

// fileMessages gives the message in a file, or those of an mbox, whose paths
// end in #1, #2 and so on.
func fileMessages(ctx context.Context, name string, size int64, label string, yield func(spamMessage, error) bool) bool {
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		r, err := openFile(ctx, name)
		if err != nil {
			return yield(spamMessage{}, err)
		}
		return pipedMessages(ctx, name, label, r, yield)
	}
	if more, several := mboxMessages(ctx, name, name, label, yield); several {
		return more
	}
	open := func() (io.ReadCloser, error) { return openFile(ctx, name) }
	return yield(spamMessage{path: name, label: label, part: size, open: open}, nil)
}

// pipedMessages gives the message that comes by a pipe, or those of an mbox.
// As where each begins is found out first, the mbox goes into a file.
func pipedMessages(ctx context.Context, name, label string, r io.ReadCloser, yield func(spamMessage, error) bool) bool {
	in := bufio.NewReader(r)
	one := spamMessage{path: name, label: label, open: func() (io.ReadCloser, error) {
		return struct {
			io.Reader
			io.Closer
		}{in, r}, nil
	}}
	if head, _ := in.Peek(len(mboxBegin)); string(head) != mboxBegin {
		return yield(one, nil)
	}
	defer r.Close()
	f, err := os.CreateTemp("", "gapura-mbox-")
	if err != nil {
		return yield(spamMessage{}, err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := io.Copy(f, in); err != nil {
		return yield(spamMessage{}, fmt.Errorf("%s: %w", name, err))
	}
	if more, several := mboxMessages(ctx, f.Name(), name, label, yield); several {
		return more
	}
	octets, err := io.ReadAll(io.NewSectionReader(f, 0, maxSpamMessage))
	one.open = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(octets)), err }
	return yield(one, nil)
}

// mboxBegin is what an mbox begins with.
const mboxBegin = "From "

// mboxMessages gives the messages of an mbox in a file, which are called by
// name; several is false, and nothing is given, where it is none, or of one
// message, as a program has filed it.
func mboxMessages(ctx context.Context, file, name, label string, yield func(spamMessage, error) bool) (more, several bool) {
	if !transfer.IsMbox(file) {
		return true, false
	}
	box, err := transfer.OpenMbox(file, "")
	if err != nil {
		return yield(spamMessage{}, err), true
	}
	defer box.Close()
	_, total, err := box.Scan(ctx)
	if err != nil || total.Messages < 2 {
		return true, false
	}
	n := 0
	for m, err := range box.Messages(ctx) {
		if m == nil {
			return yield(spamMessage{}, err), true
		}
		n++
		x := spamMessage{path: fmt.Sprintf("%s#%d", name, n), label: label, part: m.Size}
		octets, err := readMboxed(ctx, m, err)
		x.open = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(octets)), err }
		if !yield(x, nil) {
			return false, true
		}
	}
	return true, true
}

// readMboxed reads a message of an mbox, which is there until the next one is
// asked for.
func readMboxed(ctx context.Context, m *transfer.Message, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	r, err := m.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(io.LimitReader(r, maxSpamMessage))
}
