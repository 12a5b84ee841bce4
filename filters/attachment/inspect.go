package attachment

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/gapura-mail/gapura/gateway/body"
)

// Limits bounds what is looked at in one message; zero means the default.
type Limits struct {
	// Depth is how many archives within each other are opened. Default 5.
	Depth int `yaml:"depth"`
	// Entries is how many files in archives are looked at. Default 2000.
	Entries int `yaml:"entries"`
	// Unpacked is how many bytes are unpacked in all; those of the formats that
	// take long count for more: RAR 2, 7z 4, bzip2 8. Default 256MiB.
	Unpacked int64 `yaml:"unpacked"`
	// Ratio is how many times its packed size a file may unpack to before it
	// is told as a bomb; below 8 MiB it does not count. Default 250.
	Ratio int64 `yaml:"ratio"`
}

const (
	defaultDepth    = 5
	defaultEntries  = 2000
	defaultUnpacked = 256 << 20
	defaultRatio    = 250
	bombSize        = 8 << 20 // octets unpacked below which nothing is a bomb
	maxName         = 1024    // octets of a path in an archive
)

// DefaultLimits returns the default of every limit.
func DefaultLimits() Limits {
	return Limits{defaultDepth, defaultEntries, defaultUnpacked, defaultRatio}
}

func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	return Limits{
		cmp.Or(l.Depth, d.Depth), cmp.Or(l.Entries, d.Entries),
		cmp.Or(l.Unpacked, d.Unpacked), cmp.Or(l.Ratio, d.Ratio),
	}
}

// Entry is what was found out about a file: one in an archive, or the one
// that Inspect was called for, as the last.
type Entry struct {
	Path       string // index in each archive, as "2.1"; "" : the file itself
	Name       string // in an archive a.zip: "a.zip/dir/b.txt"
	Type       string // media type by content
	Kinds      []string
	Size       int64  // octets; declared by the archive where they were not all read
	SHA256     string // hexadecimal, when Inspector.Hash is set
	Executable bool
	Macro      bool
	Encrypted  bool
	Mismatch   bool
	Deceptive  bool
	Bomb       bool
	Unopened   bool
	Ambiguous  bool
}

// dangerous tells whether the entry is worth a name.
func (e *Entry) dangerous() bool {
	return e.Executable || e.Macro || e.Encrypted || e.Mismatch || e.Deceptive || e.Bomb || e.Unopened || e.Ambiguous
}

// Inspector looks into the files of one message. It is for one goroutine.
type Inspector struct {
	Limits Limits
	// NewBody makes the place that an archive in an archive is unpacked to;
	// it may fail for want of room. Inspect releases it.
	NewBody func() *body.Body
	// Hash asks for SHA256: all entries are unpacked whole.
	Hash bool
	// Extra are endings, without dot, that count as running.
	Extra map[string]bool
	// Heavy, when set, holds one value for each archive that is open of a
	// kind that takes up to 64 MiB to unpack: its capacity bounds them.
	Heavy chan struct{}
	// Visit is called for every entry of archives.
	Visit func(Entry)

	// Limited is set when a bound kept something from being looked at.
	Limited bool

	entries  int
	unpacked int64
	ready    bool
}

// What an octet of the slower formats counts for.
const (
	slowRar   = 2
	slow7z    = 4
	slowBzip2 = 8
)

// errLimit ends what is above a bound.
var errLimit = errors.New("attachment: above a bound")

// Inspect looks at one file. The error is that of reading it or of ctx; what
// is broken inside is no error.
func (x *Inspector) Inspect(ctx context.Context, name string, content io.ReaderAt, size int64) (Entry, error) {
	x.prepare()
	f := file{name: clean(name), at: content, size: size}
	n, err := content.ReadAt(f.buffer(), 0)
	if err != nil && err != io.EOF {
		return Entry{}, err
	}
	f.head = f.head[:n]
	e := x.look(&f)
	if x.Hash {
		h := sha256.New()
		if _, err := io.Copy(h, io.NewSectionReader(content, 0, size)); err != nil {
			return e, err
		}
		e.SHA256 = hex.EncodeToString(h.Sum(nil))
	}
	x.open(ctx, &f, &e)
	return e, ctx.Err()
}

func (x *Inspector) prepare() {
	if x.ready {
		return
	}
	x.ready = true
	x.Limits = x.Limits.withDefaults()
	if x.Visit == nil {
		x.Visit = func(Entry) {}
	}
	if x.NewBody == nil {
		x.NewBody = func() *body.Body { return body.New(body.Options{}) }
	}
}

// file is one that is being looked at.
type file struct {
	path  string
	name  string
	head  []byte
	at    io.ReaderAt
	size  int64
	depth int // archives that it is in
	n     int // entries so far
}

func (f *file) buffer() []byte {
	f.head = make([]byte, min(int64(headSize), max(f.size, 512)))
	return f.head
}

// clean bounds a name from an archive.
func clean(name string) string {
	name = strings.ToValidUTF8(name, "\ufffd")
	if len(name) > maxName {
		name = strings.ToValidUTF8(name[:maxName/2]+"..."+name[len(name)-maxName/2:], "")
	}
	return name
}

// look finds out what name and first octets tell.
func (x *Inspector) look(f *file) Entry {
	ext, form := ending(f.name), formatOf(f.head)
	e := Entry{Path: f.path, Name: f.name, Size: f.size, Type: mediaType(f.head)}
	named := byExtension[ext]
	if x.Extra[ext] {
		e.Executable = true
	}
	e.add(named)
	e.add(form.kind())
	if strings.Contains(" "+extensions[kindMacro]+" ", " "+ext+" ") {
		e.Macro = true
		e.add(kindMacro)
	}
	e.Executable = e.Executable || runs(named) || runs(form.kind())
	e.Mismatch = len(f.head) > 0 && mismatch(ext, form)
	e.Deceptive = deceptive(f.name)
	return e
}

func (e *Entry) add(kind string) {
	if kind == "" {
		return
	}
	for _, k := range e.Kinds {
		if k == kind {
			return
		}
	}
	e.Kinds = append(e.Kinds, kind)
}

// open looks into archives and office documents.
func (x *Inspector) open(ctx context.Context, f *file, e *Entry) {
	form := formatOf(f.head)
	if f.at == nil && (form.kind() == kindArchive || form == fmtOLE) && form != fmtUnopened {
		x.Limited = true // too deep
		return
	}
	var err error
	switch form {
	case fmtZip:
		err = x.zip(ctx, f, e)
	case fmtRar:
		err = x.rar(ctx, f, e)
	case fmt7z:
		err = x.sevenZip(ctx, f, e)
	case fmtTar:
		err = x.tar(ctx, f, io.NewSectionReader(f.at, 0, f.size))
	case fmtGzip, fmtBzip2:
		err = x.stream(ctx, f, e, form)
	case fmtOLE:
		err = scanOLE(io.NewSectionReader(f.at, 0, f.size), e)
	case fmtUnopened:
		e.Unopened = true
	case "":
		err = x.openNamed(ctx, f, e)
	}
	if err != nil && !errors.Is(err, errLimit) && ctx.Err() == nil && !e.Encrypted {
		e.Unopened = true
	}
}

// openNamed looks into what is an archive by its name but does not begin like
// one: programs that unpack find the archive behind something else.
func (x *Inspector) openNamed(ctx context.Context, f *file, e *Entry) error {
	ext := ending(f.name)
	if byExtension[ext] != kindArchive || f.size == 0 {
		return nil
	}
	if f.at == nil {
		e.Unopened = true
		return nil
	}
	if ext == "tar" { // the old format has no mark
		return x.tar(ctx, f, io.NewSectionReader(f.at, 0, f.size))
	}
	return x.zip(ctx, f, e)
}

// member is one file in an archive.
type member struct {
	name      string
	size      int64 // declared; -1: not known
	packed    int64 // -1: not known
	encrypted bool
	drain     bool  // what is not read is unpacked all the same, so let it count
	slow      int64 // what an octet counts for; 0: 1
	open      func() (io.Reader, error)
}

// enter looks at a member of the archive f; e is the archive's entry.
func (x *Inspector) enter(ctx context.Context, f *file, e *Entry, m member) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if x.entries++; x.entries > x.Limits.Entries {
		x.Limited = true
		return errLimit
	}
	f.n++
	in := &file{path: strconv.Itoa(f.n), name: clean(f.name + "/" + m.name), size: max(m.size, 0), depth: f.depth + 1}
	if f.path != "" {
		in.path = f.path + "." + in.path
	}
	if m.size > bombSize && m.packed > 0 && m.size/m.packed > x.Limits.Ratio {
		e.Bomb = true
	}
	if m.encrypted {
		e.Encrypted = true
		en := x.look(in)
		en.Encrypted = true
		x.Visit(en)
		return nil
	}
	r, err := m.open()
	if err != nil {
		en := x.look(in)
		en.Unopened = true
		x.Visit(en)
		return err
	}
	b := &bounded{x: x, r: r, ctx: ctx, cost: max(1, m.slow)}
	if m.packed > 0 {
		b.most = max(bombSize, m.packed*(x.Limits.Ratio+1)) + 1
	}
	if err := x.member(ctx, in, e, m, b); err != nil || !m.drain {
		return err
	}
	_, err = io.Copy(io.Discard, b)
	return err
}

// member looks at the content of a file in an archive.
func (x *Inspector) member(ctx context.Context, in *file, e *Entry, m member, r *bounded) error {
	n, err := io.ReadFull(r, in.bufferFor(m.size))
	in.head = in.head[:n]
	en := x.look(in)
	defer func() { x.Visit(en) }()
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		en.Unopened = !errors.Is(err, errLimit)
		return err
	}
	whole := io.MultiReader(bytes.NewReader(in.head), r)
	h := sha256.New()
	if x.Hash {
		whole = io.TeeReader(whole, h)
	}
	switch form := formatOf(in.head); {
	case (form.kind() == kindArchive && form != fmtUnopened || form == fmtOLE) && in.depth < x.Limits.Depth:
		err = x.spool(ctx, in, &en, whole)
	case x.Hash || m.size < 0:
		in.size, err = io.Copy(io.Discard, whole)
		en.Size = in.size
		x.open(ctx, in, &en)
	default:
		x.open(ctx, in, &en)
		err = nil
	}
	if x.Hash && err == nil {
		en.SHA256 = hex.EncodeToString(h.Sum(nil))
	}
	if r.n > bombSize && m.packed > 0 && r.n/m.packed > x.Limits.Ratio {
		e.Bomb, en.Bomb = true, true
	}
	return err
}

// bufferFor makes room for the beginning of a file of the size, -1: unknown.
func (f *file) bufferFor(size int64) []byte {
	if size < 0 {
		size = headSize
	}
	f.head = make([]byte, min(headSize, max(size, 512)))
	return f.head
}

// spool unpacks a member that must be looked into.
func (x *Inspector) spool(ctx context.Context, in *file, en *Entry, r io.Reader) error {
	b := x.NewBody()
	defer b.Release()
	s := b.Section()
	n, err := io.Copy(b, r)
	if err != nil {
		if errors.Is(err, body.ErrBudget) {
			x.Limited = true
			return errLimit
		}
		return err
	}
	if err := b.Close(); err != nil {
		return err
	}
	s.End()
	in.size, en.Size = n, n
	if in.at, _, err = s.ReaderAt(ctx); err != nil {
		return err
	}
	x.open(ctx, in, en)
	return nil
}

// bounded counts what is unpacked.
type bounded struct {
	x    *Inspector
	r    io.Reader
	n    int64
	most int64           // that need be read to know a bomb; 0: not known
	cost int64           // that an octet counts for
	ctx  context.Context // of the whole inspection
}

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	left := (b.x.Limits.Unpacked - b.x.unpacked + b.cost - 1) / b.cost
	if b.most > 0 {
		left = min(left, b.most-b.n)
	}
	if left <= 0 {
		b.x.Limited = true
		return 0, errLimit
	}
	n, err := b.r.Read(p[:min(int64(len(p)), left)])
	b.n += int64(n)
	b.x.unpacked += int64(n) * b.cost
	return n, err
}
