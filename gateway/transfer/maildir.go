package transfer

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/gapura-mail/gapura/gateway/imap"
)

// Bounds of a Maildir.
const (
	maxMaildirDepth = 32      // of folders in the file system's form
	maxKeywordLine  = 1 << 10 // of dovecot-keywords
)

// Maildir is a Maildir with its folders: those of Maildir++ (.Work.2024), or
// folders in folders.
type Maildir struct {
	dir     string
	folders []maildirFolder
}

type maildirFolder struct {
	Folder
	dir      string
	keywords [26]string // of the letters a to z
}

// OpenMaildir reads the Maildir in dir.
func OpenMaildir(dir string) (*Maildir, error) {
	for _, sub := range []string{"cur", "new"} {
		if info, err := os.Stat(filepath.Join(dir, sub)); err == nil && info.IsDir() {
			return &Maildir{dir: dir}, nil
		}
	}
	return nil, fmt.Errorf("%s is no Maildir: it has neither cur nor new", dir)
}

// Close implements Source.
func (m *Maildir) Close() error { return nil }

// Scan implements Source.
func (m *Maildir) Scan(ctx context.Context) ([]Folder, Total, error) {
	m.folders = []maildirFolder{{Folder: Folder{Name: Inbox, Subscribed: true}, dir: m.dir}}
	if err := m.find(m.dir, "", 0); err != nil {
		return nil, Total{}, err
	}
	subscribed := m.subscriptions()
	var total Total
	folders := make([]Folder, 0, len(m.folders))
	for i := range m.folders {
		f := &m.folders[i]
		f.Role = roleOf(f.Name)
		f.Subscribed = f.Subscribed || subscribed == nil || subscribed[f.Name]
		f.readKeywords()
		folders = append(folders, f.Folder)
		for _, sub := range []string{"cur", "new"} {
			entries, err := messages(filepath.Join(f.dir, sub))
			if err != nil {
				return nil, Total{}, err
			}
			for _, e := range entries {
				if info, err := e.Info(); err == nil {
					total.Messages++
					total.Octets += info.Size()
				}
			}
			if err := ctx.Err(); err != nil {
				return nil, Total{}, err
			}
		}
	}
	return folders, total, nil
}

// find adds the folders below dir.
func (m *Maildir) find(dir, name string, depth int) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		sub := filepath.Join(dir, e.Name())
		if !e.IsDir() || slices.Contains([]string{"cur", "new", "tmp"}, e.Name()) {
			continue
		}
		child := folderName(e.Name())
		if strings.HasPrefix(e.Name(), ".") {
			if depth > 0 { // Maildir++ keeps all of them in one place
				continue
			}
			child = maildirPlusName(e.Name())
		}
		if child == "" {
			continue
		}
		if name != "" {
			child = name + "/" + child
		}
		if isMaildir(sub) {
			m.folders = append(m.folders, maildirFolder{Folder: Folder{Name: inboxName(child)}, dir: sub})
		}
		if depth < maxMaildirDepth && !strings.HasPrefix(e.Name(), ".") {
			if err := m.find(sub, child, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

func isMaildir(dir string) bool {
	info, err := os.Lstat(filepath.Join(dir, "cur"))
	return err == nil && info.IsDir()
}

// maildirPlusName is the name of the folder in .A.B.
func maildirPlusName(dir string) string {
	parts := strings.Split(strings.Trim(dir, "."), ".")
	for i := range parts {
		parts[i] = folderName(parts[i])
	}
	return strings.Join(parts, "/")
}

// folderName decodes one part of a name, which is in modified UTF-7 for most
// servers and in UTF-8 for the others.
func folderName(s string) string {
	if name, ok := imap.DecodeUTF7(s); ok {
		s = name
	}
	return strings.ReplaceAll(s, "/", "_")
}

// maxList bounds a list of subscriptions, in octets.
const maxList = 4 << 20

func readList(name string) ([]byte, error) {
	r, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(io.LimitReader(r, maxList))
}

// subscriptions reads Dovecot's or Courier's list; nil: there is none.
func (m *Maildir) subscriptions() map[string]bool {
	for _, name := range []string{"subscriptions", "courierimapsubscribed"} {
		b, err := readList(filepath.Join(m.dir, name))
		if err != nil {
			continue
		}
		list := map[string]bool{}
		for i, line := range strings.Split(string(b), "\n") {
			if i == 0 && strings.HasPrefix(line, "V\t2") || line == "" {
				continue
			}
			sep := "."
			if strings.Contains(line, "\t") {
				sep = "\t" // version 2 of Dovecot's
			} else if strings.Contains(line, "/") {
				sep = "/"
			}
			parts := strings.Split(strings.TrimPrefix(line, "INBOX."), sep)
			for i := range parts {
				parts[i] = folderName(parts[i])
			}
			list[inboxName(strings.Join(parts, "/"))] = true
		}
		return list
	}
	return nil
}

// readKeywords reads which keyword each letter means: Dovecot's
// dovecot-keywords has "0 name" for a.
func (f *maildirFolder) readKeywords() {
	r, err := os.OpenFile(filepath.Join(f.dir, "dovecot-keywords"), os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return
	}
	defer r.Close()
	lines := bufio.NewScanner(io.LimitReader(r, 64<<10))
	lines.Buffer(nil, maxKeywordLine)
	for lines.Scan() {
		number, name, ok := strings.Cut(lines.Text(), " ")
		if n, err := strconv.Atoi(number); ok && err == nil && n >= 0 && n < len(f.keywords) {
			f.keywords[n] = name
		}
	}
}

// messages lists the messages in cur or new, oldest first.
func messages(dir string) ([]fs.DirEntry, error) {
	if info, err := os.Lstat(dir); err == nil && !info.IsDir() {
		return nil, fmt.Errorf("%s is no folder; symbolic links are not followed", dir)
	}
	all, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(e fs.DirEntry) bool { return !e.Type().IsRegular() || strings.HasPrefix(e.Name(), ".") })
	slices.SortStableFunc(all, func(a, b fs.DirEntry) int { return cmp.Compare(seconds(a.Name()), seconds(b.Name())) })
	return all, nil
}

// seconds are those that a file's name begins with.
func seconds(name string) int64 {
	digits, _, _ := strings.Cut(name, ".")
	n, _ := strconv.ParseInt(digits, 10, 64)
	return n
}

// Messages implements Source.
func (m *Maildir) Messages(ctx context.Context) iter.Seq2[*Message, error] {
	return func(yield func(*Message, error) bool) {
		for i := range m.folders {
			f := &m.folders[i]
			for _, sub := range []string{"cur", "new"} {
				entries, err := messages(filepath.Join(f.dir, sub))
				if err != nil {
					yield(nil, err)
					return
				}
				for _, e := range entries {
					if err := ctx.Err(); err != nil {
						yield(nil, err)
						return
					}
					if !yield(f.message(sub, e)) {
						return
					}
				}
			}
		}
	}
}

// message is what a file is. One that has gone by now is an error of its own.
func (f *maildirFolder) message(sub string, e fs.DirEntry) (*Message, error) {
	name := filepath.Join(f.dir, sub, e.Name())
	unique, flags := splitFlags(e.Name())
	m := &Message{Folder: f.Name, Key: f.Name + "/" + unique}
	if sub == "cur" {
		m.Flags = f.flags(flags)
	}
	info, err := e.Info()
	if err != nil {
		return m, err
	}
	m.Date, m.Size = info.ModTime(), info.Size()
	m.Open = func(context.Context) (io.ReadCloser, error) {
		// A user's Maildir that root reads must not lead elsewhere.
		r, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
		if err != nil {
			return nil, err
		}
		return struct {
			io.Reader
			io.Closer
		}{NewCRLFReader(r), r}, nil
	}
	return m, nil
}

// splitFlags parts a file's name from its flags: unique:2,FS. File systems
// without colons have ; or !.
func splitFlags(name string) (unique, flags string) {
	for _, sep := range []string{":2,", ";2,", "!2,"} {
		if unique, flags, ok := strings.Cut(name, sep); ok {
			return unique, flags
		}
	}
	return name, ""
}

// flags are IMAP's of those in a file's name.
func (f *maildirFolder) flags(letters string) (flags []string) {
	for _, c := range letters {
		flag := maildirFlags[c]
		if c >= 'a' && c <= 'z' {
			flag = f.keywords[c-'a']
		}
		if flag != "" && !slices.Contains(flags, flag) {
			flags = append(flags, flag)
		}
	}
	return flags
}

var maildirFlags = map[rune]string{
	'P': flagForwarded, 'R': flagAnswered, 'S': flagSeen, 'T': flagDeleted, 'D': flagDraft, 'F': flagFlagged,
}
