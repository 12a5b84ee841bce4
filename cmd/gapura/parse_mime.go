package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"text/tabwriter"

	"github.com/gapura-mail/gapura/filters/attachment"
	"github.com/gapura-mail/gapura/gateway/body"
	"github.com/gapura-mail/gapura/gateway/message"
)

type parseMIME struct {
	Message string `default:"-" placeholder:"FILE" help:"Message to read; - is standard input."`
	Archive bool   `name:"archives" default:"true" negatable:"" help:"List what is in archives."`
}

// Help implements kong.HelpProvider.
func (parseMIME) Help() string {
	return `Parts that only another reading of an ambiguous message shows have its name
behind their path (docs/mime.md); files in archives have their number behind #.

Example:
  gapura parse mime --json --message mail.eml`
}

// mimePart is one decoded part, or one file in an archive.
type mimePart struct {
	Path        string   `json:"path"`
	Type        string   `json:"type"`
	Disposition string   `json:"disposition"`
	Filename    string   `json:"filename"`
	Size        int64    `json:"size"`
	SHA256      string   `json:"sha256"`
	Encoding    string   `json:"encoding,omitempty"`
	Kinds       []string `json:"kinds,omitempty"`
}

// mimeDefect is one thing that is wrong.
type mimeDefect struct {
	Name   string `json:"name"`
	Path   string `json:"path"`
	Detail string `json:"detail,omitempty"`
}

// mimeTree is what the command prints.
type mimeTree struct {
	Parts     []mimePart            `json:"parts"`
	Defects   []mimeDefect          `json:"defects"`
	Readings  []message.ReadingName `json:"readings,omitempty"`
	Ambiguous bool                  `json:"ambiguous"`
	Limited   bool                  `json:"limited"`
}

func (c *parseMIME) Run(a *app) error {
	m, err := a.readMessageOr(c.Message, nil) // nothing is a message too: of one part, that is empty
	if err != nil {
		return err
	}
	defer m.Close()
	raw := body.New(body.Options{}) // another reading reads the body again
	defer raw.Release()
	w := message.NewWalker(m.header, message.WalkLimits{})
	v := &mimeVisitor{ctx: a.ctx, archives: c.Archive, tree: mimeTree{Parts: []mimePart{}, Defects: []mimeDefect{}}}
	err = w.Walk(io.TeeReader(m.body, raw), v)
	if err == nil {
		err = raw.Close()
	}
	for _, r := range w.Readings() {
		if err == nil {
			in := raw.Open()
			err = w.WalkReading(r, in, v)
			in.Close()
		}
	}
	if err = errors.Join(err, v.err); err != nil {
		return err
	}
	v.tree.Readings, v.tree.Ambiguous = w.Readings(), w.Ambiguous()
	v.tree.Limited = w.Limited() || v.limited
	return a.print(v.tree, v.tree.text)
}

// mimeVisitor collects the parts of all readings. Parts never overlap, so
// there is one at a time.
type mimeVisitor struct {
	ctx      context.Context
	archives bool
	tree     mimeTree
	limited  bool
	err      error

	sum   hash.Hash
	store *body.Body
	where *body.Section
}

// Part implements message.Visitor.
func (v *mimeVisitor) Part(p *message.PartInfo) io.Writer {
	if p.Container {
		return nil
	}
	v.sum = sha256.New()
	v.store = body.New(body.Options{})
	v.where = v.store.Section()
	return io.MultiWriter(v.sum, v.store)
}

// PartEnd implements message.Visitor.
func (v *mimeVisitor) PartEnd(p *message.PartInfo) {
	if p.Container {
		return
	}
	defer v.store.Release()
	if p.Known {
		return
	}
	part := mimePart{
		Path: p.Path, Type: p.Type, Disposition: p.Disposition, Filename: p.Filename,
		Size: p.Size, SHA256: hex.EncodeToString(v.sum.Sum(nil)), Encoding: p.Encoding,
	}
	if p.Reading != message.Plain {
		part.Path += "@" + string(p.Reading)
	}
	at := len(v.tree.Parts)
	v.tree.Parts = append(v.tree.Parts, part)
	if v.archives && v.err == nil && v.ctx.Err() == nil {
		v.err = v.inspect(p, at)
	}
}

// inspect adds what is in the part, if it is an archive.
func (v *mimeVisitor) inspect(p *message.PartInfo, at int) error {
	if err := v.store.Close(); err != nil {
		return err
	}
	r, size, err := v.where.ReaderAt(v.ctx)
	if err != nil {
		return err
	}
	prefix := v.tree.Parts[at].Path + "#"
	x := attachment.Inspector{Hash: true, Visit: func(e attachment.Entry) {
		v.tree.Parts = append(v.tree.Parts, mimePart{
			Path: prefix + e.Path, Type: e.Type, Filename: e.Name, Size: e.Size, SHA256: e.SHA256, Kinds: e.Kinds,
		})
	}}
	e, err := x.Inspect(v.ctx, p.Filename, r, size)
	v.tree.Parts[at].Kinds = e.Kinds
	v.limited = v.limited || x.Limited
	return err
}

// Defect implements message.Visitor.
func (v *mimeVisitor) Defect(d message.Defect) {
	v.tree.Defects = append(v.tree.Defects, mimeDefect{string(d.Name), d.Path, d.Detail})
}

// text prints the parts as a table.
func (t mimeTree) text(w io.Writer) {
	tab := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for _, p := range t.Parts {
		fmt.Fprintf(tab, "%s\t%s\t%d\t%q\n", p.Path, p.Type, p.Size, p.Filename)
	}
	tab.Flush()
	for _, d := range t.Defects {
		fmt.Fprintf(w, "defect: %s %s %s\n", d.Name, d.Path, d.Detail)
	}
	if t.Ambiguous {
		fmt.Fprintln(w, "ambiguous: clients differ about what is in this message")
	}
	if t.Limited {
		fmt.Fprintln(w, "limited: a bound kept some of it from being looked at")
	}
}
