package transfer

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway/imap"
)

// Sink takes mail.
type Sink interface {
	// Folder makes a folder.
	Folder(f Folder) error
	// Write adds a message to a folder that was made.
	Write(ctx context.Context, m *Message) error
	// Close makes all of it durable.
	Close() error
}

// MaildirSink writes a Maildir++.
type MaildirSink struct {
	dir      string
	host     string
	dirs     map[string]string   // of each folder
	keywords map[string][]string // likewise
	subs     []string
}

// CreateMaildir makes a Maildir in dir, which must be empty or not there.
func CreateMaildir(dir string) (*MaildirSink, error) {
	if err := emptyDir(dir); err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	s := &MaildirSink{dir: dir, host: fits(strings.NewReplacer("/", "_", ":", "_").Replace(host), maxHostFile), dirs: map[string]string{}, keywords: map[string][]string{}}
	return s, s.Folder(Folder{Name: Inbox})
}

// emptyDir makes dir; an error tells that something is in it.
func emptyDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("%s is not empty; name a folder that does not exist yet", dir)
	}
	return err
}

// Folder implements Sink.
func (s *MaildirSink) Folder(f Folder) error {
	dir := s.path(f.Name)
	for _, sub := range []string{"cur", "new", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return err
		}
	}
	if f.Name != Inbox {
		if err := os.WriteFile(filepath.Join(dir, "maildirfolder"), nil, 0o600); err != nil {
			return err
		}
	}
	if f.Subscribed {
		s.subs = append(s.subs, f.Name)
	}
	return nil
}

// path is the folder's in the file system. Dots part the names of folders
// there, so those in a name become another character.
func (s *MaildirSink) path(name string) string {
	if name == Inbox {
		return s.dir
	}
	if dir, ok := s.dirs[name]; ok {
		return dir
	}
	parts := strings.Split(name, "/")
	for i, p := range parts {
		parts[i] = imap.EncodeUTF7(strings.ReplaceAll(p, ".", "_"))
	}
	dir := filepath.Join(s.dir, fits("."+strings.Join(parts, "."), maxFolderFile))
	for slices.Contains(slices.Collect(maps.Values(s.dirs)), dir) {
		dir += "_"
	}
	s.dirs[name] = dir
	return dir
}

// Write implements Sink.
func (s *MaildirSink) Write(ctx context.Context, m *Message) error {
	dir := s.path(m.Folder)
	date := m.Date
	if date.IsZero() {
		date = time.Now()
	}
	key := fits(strings.NewReplacer("/", "_", ":", "_").Replace(m.Key), maxKeyFile)
	unique := fmt.Sprintf("%d.%s.%s", date.Unix(), key, s.host)
	tmp := filepath.Join(dir, "tmp", unique)
	if err := writeFile(ctx, tmp, m); err != nil {
		return err
	}
	if err := os.Chtimes(tmp, date, date); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(dir, "cur", unique+":2,"+s.letters(m.Folder, m.Flags)))
}

// writeFile writes a message with LF line ends, durably.
func writeFile(ctx context.Context, name string, m *Message) error {
	r, err := m.Open(ctx)
	if err != nil {
		return err
	}
	defer r.Close()
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, newLFReader(r))
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}

// A file's name has 255 octets at most: the seconds, a message's key, the host
// and 31 letters of flags; of a folder what makes it another one's neighbour.
const (
	maxKeyFile    = 128
	maxHostFile   = 64
	maxFolderFile = 240
)

// fits returns a name that has most octets at most: of a longer one the
// beginning, and a hash of the whole.
func fits(name string, most int) string {
	if len(name) <= most {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	end := fmt.Sprintf("-%x", sum[:10])
	return strings.ToValidUTF8(name[:most-len(end)], "") + end
}

// letters are flags as a file's name has them, in the order of the alphabet.
func (s *MaildirSink) letters(folder string, flags []string) string {
	var out []byte
	for _, flag := range flags {
		c := byte(0)
		for letter, f := range maildirFlags {
			if strings.EqualFold(f, flag) {
				c = byte(letter)
			}
		}
		if c == 0 && !strings.HasPrefix(flag, `\`) {
			c = s.keyword(folder, flag)
		}
		if c != 0 {
			out = append(out, c)
		}
	}
	slices.Sort(out)
	return string(slices.Compact(out))
}

// keyword is the letter of a keyword in a folder; 0: there are too many.
func (s *MaildirSink) keyword(folder, name string) byte {
	list := s.keywords[folder]
	i := slices.Index(list, name)
	if i < 0 {
		if i = len(list); i == 26 {
			return 0
		}
		s.keywords[folder] = append(list, name)
	}
	return 'a' + byte(i)
}

// Close implements Sink.
func (s *MaildirSink) Close() error {
	for folder, list := range s.keywords {
		var b bytes.Buffer
		for i, k := range list {
			fmt.Fprintf(&b, "%d %s\n", i, k)
		}
		if err := os.WriteFile(filepath.Join(s.path(folder), "dovecot-keywords"), b.Bytes(), 0o600); err != nil {
			return err
		}
	}
	if len(s.subs) == 0 {
		return nil
	}
	var b bytes.Buffer
	b.WriteString("V\t2\n\n")
	for _, name := range s.subs {
		parts := strings.Split(name, "/")
		for i := range parts {
			parts[i] = imap.EncodeUTF7(parts[i])
		}
		b.WriteString(strings.Join(parts, "\t") + "\n")
	}
	return os.WriteFile(filepath.Join(s.dir, "subscriptions"), b.Bytes(), 0o600)
}

// MboxSink writes a file in mboxrd form for each folder.
type MboxSink struct {
	dir   string
	files map[string]*mboxOut
}

type mboxOut struct {
	f *os.File
	w *bufio.Writer
}

// CreateMbox makes mbox files in dir, which must be empty or not there.
func CreateMbox(dir string) (*MboxSink, error) {
	if err := emptyDir(dir); err != nil {
		return nil, err
	}
	return &MboxSink{dir: dir, files: map[string]*mboxOut{}}, nil
}

// Folder implements Sink: A/B is the file A.sbd/B, as Thunderbird has it.
func (s *MboxSink) Folder(f Folder) error {
	parts := strings.Split(f.Name, "/")
	for i, p := range parts {
		if p = strings.TrimLeft(p, "."); p == "" {
			p = "_"
		}
		p = fits(p, maxFolderFile)
		switch last := i == len(parts)-1; {
		case !last:
			p += ".sbd"
		case strings.HasSuffix(p, ".sbd"): // which those alone are that hold others
			p += "_"
		}
		parts[i] = p
	}
	name := filepath.Join(append([]string{s.dir}, parts...)...)
	for exists(name) { // of another folder: .A beside A
		name += "_"
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	file, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	s.files[f.Name] = &mboxOut{file, bufio.NewWriterSize(file, 64<<10)}
	return nil
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

// Write implements Sink.
func (s *MboxSink) Write(ctx context.Context, m *Message) error {
	out := s.files[m.Folder]
	if out == nil {
		return fmt.Errorf("no folder %s", m.Folder)
	}
	r, err := m.Open(ctx)
	if err != nil {
		return err
	}
	defer r.Close()
	date := m.Date
	if date.IsZero() {
		date = time.Now()
	}
	fmt.Fprintf(out.w, "From MAILER-DAEMON %s\n", date.UTC().Format(time.ANSIC))
	writeStatus(out.w, m.Flags)
	return quoteMbox(out.w, r)
}

// writeStatus writes the fields that hold flags.
func writeStatus(w io.Writer, flags []string) {
	status, xstatus := "O", ""
	var keywords []string
	for _, f := range flags {
		switch {
		case strings.EqualFold(f, flagSeen):
			status = "RO"
		case strings.EqualFold(f, flagAnswered):
			xstatus += "A"
		case strings.EqualFold(f, flagFlagged):
			xstatus += "F"
		case strings.EqualFold(f, flagDeleted):
			xstatus += "D"
		case strings.EqualFold(f, flagDraft):
			xstatus += "T"
		case !strings.HasPrefix(f, `\`):
			keywords = append(keywords, f)
		}
	}
	fmt.Fprintf(w, "Status: %s\n", status)
	if xstatus != "" {
		fmt.Fprintf(w, "X-Status: %s\n", xstatus)
	}
	if keywords != nil {
		fmt.Fprintf(w, "X-Keywords: %s\n", strings.Join(keywords, " "))
	}
}

// quoteMbox writes a message: LF line ends, ">" before what could be taken for
// a From line, an empty line at the end.
func quoteMbox(w *bufio.Writer, r io.Reader) error {
	br := bufio.NewReaderSize(newLFReader(r), 32<<10)
	begins := true
	for {
		line, err := br.ReadSlice('\n')
		if begins && bytes.HasPrefix(bytes.TrimLeft(line, ">"), []byte("From ")) {
			w.WriteByte('>')
		}
		if len(line) > 0 {
			begins = line[len(line)-1] == '\n'
			w.Write(line)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
	if !begins {
		w.WriteByte('\n')
	}
	return w.WriteByte('\n') // an error before stays
}

// Close implements Sink.
func (s *MboxSink) Close() error {
	var first error
	for _, out := range s.files {
		err := out.w.Flush()
		if err == nil {
			err = out.f.Sync()
		}
		if e := out.f.Close(); err == nil {
			err = e
		}
		if first == nil {
			first = err
		}
	}
	return first
}
