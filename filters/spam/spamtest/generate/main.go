// Generate writes mail made from templates, or attacked copies of the spam of
// an index:
//
//	go run ./filters/spam/spamtest/generate --split train --count 2000 --out DIR
//
// DIR gets NNNNN.eml and an index of "label file epoch origin" lines.
package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"

	"github.com/alecthomas/kong"

	"github.com/gapura-mail/gapura/filters/spam/spamtest"
)

type flags struct {
	Split  string `enum:"train,test" default:"train" help:"The half of the templates to use."`
	Count  int    `default:"2000" help:"How many messages."`
	Seed   uint64 `default:"1" help:"Another seed, other values in the same templates."`
	Out    string `required:"" help:"The folder to write to; it is made."`
	Origin string `help:"Only this template (class/name)."`
}

func main() {
	var f flags
	ctx := kong.Parse(&f, kong.Description("Mail made from templates, for training and testing the spam filter."))
	ctx.FatalIfErrorf(f.run())
}

func (f *flags) run() error {
	if err := os.MkdirAll(f.Out, 0o755); err != nil {
		return fmt.Errorf("generate: %w", err)
	}
	g, err := spamtest.New(spamtest.Split(f.Split), f.Seed)
	if err != nil {
		return err
	}
	index, err := os.Create(filepath.Join(f.Out, "index"))
	if err != nil {
		return fmt.Errorf("generate: %w", err)
	}
	defer index.Close()
	w := bufio.NewWriter(index)
	for i := range f.Count {
		m, err := f.message(g, i)
		if err != nil {
			return err
		}
		name := fmt.Sprintf("%05d.eml", i)
		if err := os.WriteFile(filepath.Join(f.Out, name), m.Raw, 0o644); err != nil {
			return fmt.Errorf("generate: %w", err)
		}
		fmt.Fprintf(w, "%s %s %d %s\n", m.Class.Label(), name, m.Time.Unix(), m.Origin)
	}
	return w.Flush()
}

func (f *flags) message(g *spamtest.Generator, i int) (spamtest.Message, error) {
	if f.Origin != "" {
		return g.Render(f.Origin, i)
	}
	return g.Message(i)
}
