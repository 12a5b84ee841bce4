package attachment

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/body"
)

// Options of the filter.
type Options struct {
	// Limits bounds what is looked at in one message.
	Limits Limits `yaml:"limits"`
	// Executable are endings of file names, without dot, that count as
	// running besides those that are known: [py, sh].
	Executable []string `yaml:"executable"`
	// Harmless are endings that do not count as running by name: [url].
	Harmless []string `yaml:"harmless"`
}

// DefaultOptions returns the default of every option.
func DefaultOptions() Options { return Options{Limits: DefaultLimits()} }

// Validate checks the options.
func (o Options) Validate() error {
	if o.Limits.Depth < 0 || o.Limits.Entries < 0 || o.Limits.Unpacked < 0 || o.Limits.Ratio < 0 {
		return fmt.Errorf("attachment: limits: no bound can be negative")
	}
	for _, ext := range append(slices.Clone(o.Executable), o.Harmless...) {
		if ext == "" || strings.ContainsAny(ext, "./\\ ") {
			return fmt.Errorf("attachment: %q is no ending of a file name; write it without the dot", ext)
		}
	}
	return nil
}

// Filter looks at files.
type Filter struct {
	gateway.BodyOnly
	opt      Options
	extra    map[string]bool
	harmless map[string]bool
	newBody  func() *body.Body
	heavy    chan struct{}
}

// New returns the filter. newBody makes the places that archives in archives
// are unpacked to, with the budget that all messages share; nil: of its own.
func New(opt Options, newBody func() *body.Body) (*Filter, error) {
	if err := opt.Validate(); err != nil {
		return nil, err
	}
	f := &Filter{opt: opt, extra: map[string]bool{}, harmless: map[string]bool{}, newBody: newBody, heavy: make(chan struct{}, maxHeavy)}
	for _, ext := range opt.Executable {
		f.extra[strings.ToLower(ext)] = true
	}
	for _, ext := range opt.Harmless {
		f.harmless[strings.ToLower(ext)] = true
	}
	return f, nil
}

// Name implements gateway.Filter.
func (*Filter) Name() string { return "attachment" }

// Fields implements gateway.Filter.
func (*Filter) Fields() []gateway.Field {
	list := []gateway.Field{
		{Name: "attachment.count", Type: gateway.Int, Doc: "how many files the message has, those in archives not counted"},
		{Name: "attachment.names", Type: gateway.Strings, Doc: "file names; those in archives with their path, as in a.zip/b/c.exe"},
		{Name: "attachment.types", Type: gateway.Strings, Doc: "media types of files by content, each once"},
		{Name: "attachment.extensions", Type: gateway.Strings, Doc: "endings of file names in lower case, without dot, each once"},
		{Name: "attachment.kinds", Type: gateway.Strings, Doc: "of archive, disk-image, document, executable, html, image, installer, macro, script, shortcut: those that some file is"},
		{Name: "attachment.executable", Type: gateway.Bool, Doc: "a file runs when it is opened: program, script, installer or shortcut, by name or by content"},
		{Name: "attachment.macro", Type: gateway.Bool, Doc: "an office document has macros"},
		{Name: "attachment.encrypted", Type: gateway.Bool, Doc: "an archive or document is encrypted"},
		{Name: "attachment.mismatch", Type: gateway.Bool, Doc: "a file name claims another kind of content than the file has"},
		{Name: "attachment.deceptive", Type: gateway.Bool, Doc: "a file name is made to deceive: two endings, characters that are hidden or turn the text around"},
		{Name: "attachment.limit", Type: gateway.Bool, Doc: "a bound kept the filter from seeing everything"},
		{Name: "attachment.bomb", Type: gateway.Bool, Doc: "an archive unpacks to many times its size"},
		{Name: "attachment.unopened", Type: gateway.Bool, Doc: "an archive could not be opened, or is of a kind that is not opened"},
		{Name: "attachment.ambiguous", Type: gateway.Bool, Doc: "a zip file that programs read in different ways: several behind each other, or more in it than its directory tells"},
		{Name: "attachment.dangerous", Type: gateway.Strings, Doc: "names of the files that made one of executable, macro, encrypted, mismatch, deceptive, bomb, unopened or ambiguous true"},
	}
	for i := range list {
		list[i].Stage = gateway.StageMessage
	}
	return list
}

const (
	maxHeavy  = 4   // archives open at once that take much memory
	maxListed = 200 // names in a fact
	peekSize  = 16  // octets by which shown text is told from a file in disguise
)

// reading collects what is found in one message.
type reading struct {
	count                     int64
	names, types, exts, kinds []string
	dangerous                 []string
	any                       Entry // true where any file is
	limited                   bool
	filter                    *Filter
}

// Read implements gateway.BodyFilter: every part that is a file is looked at
// when it is complete.
func (f *Filter) Read(ctx context.Context, _ *gateway.Transaction, m gateway.Message) (gateway.Reading, error) {
	r := &reading{filter: f}
	x := &Inspector{Limits: f.opt.Limits, NewBody: f.newBody, Extra: f.extra, Heavy: f.heavy, Visit: r.add}
	for p, err := range m.Parts(ctx) {
		if err != nil {
			return nil, err
		}
		if shown, err := shownText(p); err != nil {
			return nil, err
		} else if shown {
			continue
		}
		at, size, err := p.Content.ReaderAt(ctx)
		if err != nil {
			return nil, err
		}
		e, err := x.Inspect(ctx, p.Filename, at, size)
		if err != nil {
			return nil, err
		}
		if p.Reading == "" {
			r.count++
		}
		r.add(e)
	}
	r.limited = x.Limited
	return r, nil
}

// shownText tells whether a part is text that is shown with the message, and
// begins like no other kind of file.
func shownText(p *gateway.Part) (bool, error) {
	if p.Filename != "" || p.Disposition == "attachment" || p.Type != "text/plain" && p.Type != "text/html" {
		return false, nil
	}
	in := p.Content.Open()
	defer in.Close()
	head := make([]byte, peekSize)
	n, err := io.ReadFull(in, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return false, err
	}
	switch formatOf(head[:n]) {
	case "", fmtHTML:
		return true, nil
	case fmtExec: // text may well begin with MZ
		return !strings.ContainsAny(string(head[:n]), "\x00\x01\x02\x03"), nil
	case fmtBzip2, fmtUnopened, fmtShortcut:
		return true, nil
	}
	return false, nil
}

// add takes up what was found about one file.
func (r *reading) add(e Entry) {
	ext := ending(e.Name)
	if r.filter.harmless[ext] && runs(byExtension[ext]) {
		e.Kinds = slices.DeleteFunc(e.Kinds, func(k string) bool { return k == byExtension[ext] })
		e.Executable = slices.ContainsFunc(e.Kinds, runs)
	}
	if e.Name != "" {
		r.names = once(r.names, e.Name)
	}
	if ext != "" {
		r.exts = once(r.exts, ext)
	}
	r.types = once(r.types, e.Type)
	for _, k := range e.Kinds {
		r.kinds = once(r.kinds, k)
	}
	if e.dangerous() {
		r.dangerous = once(r.dangerous, cmp.Or(e.Name, e.Type))
	}
	a := &r.any
	a.Executable, a.Macro, a.Encrypted = a.Executable || e.Executable, a.Macro || e.Macro, a.Encrypted || e.Encrypted
	a.Mismatch, a.Deceptive = a.Mismatch || e.Mismatch, a.Deceptive || e.Deceptive
	a.Bomb, a.Unopened = a.Bomb || e.Bomb, a.Unopened || e.Unopened
	a.Ambiguous = a.Ambiguous || e.Ambiguous
}

// once appends s if it is not in the list, which is bounded.
func once(list []string, s string) []string {
	if len(list) >= maxListed || slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

// Conclude implements gateway.Reading.
func (r *reading) Conclude(context.Context, *gateway.Transaction) (gateway.Verdict, error) {
	return gateway.Verdict{Facts: []gateway.Fact{
		{Name: "attachment.count", Value: r.count},
		{Name: "attachment.names", Value: r.names},
		{Name: "attachment.types", Value: r.types},
		{Name: "attachment.extensions", Value: r.exts},
		{Name: "attachment.kinds", Value: r.kinds},
		{Name: "attachment.executable", Value: r.any.Executable},
		{Name: "attachment.macro", Value: r.any.Macro},
		{Name: "attachment.encrypted", Value: r.any.Encrypted},
		{Name: "attachment.mismatch", Value: r.any.Mismatch},
		{Name: "attachment.deceptive", Value: r.any.Deceptive},
		{Name: "attachment.limit", Value: r.limited},
		{Name: "attachment.bomb", Value: r.any.Bomb},
		{Name: "attachment.unopened", Value: r.any.Unopened},
		{Name: "attachment.ambiguous", Value: r.any.Ambiguous},
		{Name: "attachment.dangerous", Value: r.dangerous},
	}}, nil
}
