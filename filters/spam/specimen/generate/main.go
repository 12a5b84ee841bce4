// Command generate writes mail made from templates, or attacked copies of the spam of
// an index:
//
//	go run ./filters/spam/specimen/generate --split train --count 2000 --out DIR
//	go run ./filters/spam/specimen/generate --attack all --index INDEX --out DIR
//
// DIR gets NNNNN.eml and an index of "label file epoch origin" lines. With
// --attack DIR/NAME gets them, for each attack; the index's ham is listed
// where it is, so that the figures compare, unless --spam-only is given.
package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/gapura-mail/gapura/filters/spam/specimen"
)

type flags struct {
	Split    string `enum:"train,test" default:"train" help:"The half of the templates to use."`
	Count    int    `default:"2000" help:"How many messages."`
	Seed     uint64 `default:"1" help:"Another seed, other values in the same templates."`
	Out      string `required:"" help:"The folder to write to; it is made."`
	Origin   string `help:"Only this template (class/name)."`
	Attack   string `help:"Attack by this name, a list with commas, or all."`
	Index    string `type:"existingfile" help:"The index whose spam is attacked."`
	Words    string `type:"existingfile" help:"The index whose ham gives the good words (default: --index)."`
	Skip     int    `default:"50" help:"Leave out this many of ham's most frequent words."`
	SpamOnly bool   `help:"Do not list the ham."`
}

func main() {
	var f flags
	ctx := kong.Parse(&f, kong.Description("Mail made from templates, for training and testing the spam filter."))
	if f.Attack != "" {
		ctx.FatalIfErrorf(f.attackAll())
		return
	}
	ctx.FatalIfErrorf(f.generate())
}

func (f *flags) generate() error {
	g, err := specimen.New(specimen.Split(f.Split), f.Seed)
	if err != nil {
		return err
	}
	out, err := create(f.Out)
	if err != nil {
		return err
	}
	for i := range f.Count {
		m, err := f.message(g, i)
		if err != nil {
			return err
		}
		if err := out.add(m.Class.Label(), m.Raw, fmt.Sprintf("%d %s", m.Time.Unix(), m.Origin)); err != nil {
			return err
		}
	}
	return out.close()
}

func (f *flags) message(g *specimen.Generator, i int) (specimen.Message, error) {
	if f.Origin != "" {
		return g.Render(f.Origin, i)
	}
	return g.Message(i)
}

func (f *flags) attackAll() error {
	if f.Index == "" {
		return fmt.Errorf("generate: --attack needs --index")
	}
	words, err := f.words()
	if err != nil {
		return err
	}
	names := strings.Split(f.Attack, ",")
	if f.Attack == "all" {
		names = specimen.Attacks()
	}
	for _, name := range names {
		if err := f.attack(name, words); err != nil {
			return err
		}
	}
	return nil
}

func (f *flags) attack(name string, words []string) error {
	out, err := create(filepath.Join(f.Out, name))
	if err != nil {
		return err
	}
	err = lines(f.Index, func(label, file, rest string) error {
		if label == "ham" {
			if f.SpamOnly {
				return nil
			}
			return out.list(label, file, rest)
		}
		raw, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if raw, err = specimen.Attack(name, raw, words, f.Seed); err != nil {
			return err
		}
		return out.add(label, raw, rest)
	})
	if err != nil {
		return err
	}
	return out.close()
}

// words are those that ham uses most, without the very first: these are in
// spam as well.
func (f *flags) words() ([]string, error) {
	index := f.Words
	if index == "" {
		index = f.Index
	}
	var count specimen.WordCounter
	err := lines(index, func(label, file, _ string) error {
		if label != "ham" {
			return nil
		}
		raw, err := os.ReadFile(file)
		count.Add(raw)
		return err
	})
	return count.Top(f.Skip, 1500), err
}

// lines calls do for each line of an index, the file's name made relative to
// the working directory.
func lines(index string, do func(label, file, rest string) error) error {
	in, err := os.Open(index)
	if err != nil {
		return err
	}
	defer in.Close()
	s := bufio.NewScanner(in)
	for n := 1; s.Scan(); n++ {
		col := strings.SplitN(s.Text(), " ", 3)
		if len(col) < 2 || col[0] != "ham" && col[0] != "spam" {
			return fmt.Errorf("%s:%d: want ham or spam and a file", index, n)
		}
		file := col[1]
		if !filepath.IsAbs(file) {
			file = filepath.Join(filepath.Dir(index), file)
		}
		if err := do(col[0], file, strings.Join(col[2:], " ")); err != nil {
			return fmt.Errorf("%s:%d: %w", index, n, err)
		}
	}
	return s.Err()
}

// folder is a folder of messages with its index.
type folder struct {
	dir   string
	n     int
	file  *os.File
	index *bufio.Writer
}

func create(dir string) (*folder, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("generate: %w", err)
	}
	file, err := os.Create(filepath.Join(dir, "index"))
	if err != nil {
		return nil, fmt.Errorf("generate: %w", err)
	}
	return &folder{dir: dir, file: file, index: bufio.NewWriter(file)}, nil
}

func (o *folder) add(label string, raw []byte, rest string) error {
	name := fmt.Sprintf("%05d.eml", o.n)
	o.n++
	if err := os.WriteFile(filepath.Join(o.dir, name), raw, 0o644); err != nil {
		return err
	}
	_, err := fmt.Fprintf(o.index, "%s %s %s\n", label, name, rest)
	return err
}

// list names a message that stays where it is.
func (o *folder) list(label, file, rest string) error {
	abs, err := filepath.Abs(file)
	if err != nil {
		return err
	}
	dir, err := filepath.Abs(o.dir)
	if err != nil {
		return err
	}
	rel, err := filepath.Rel(dir, abs)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(o.index, "%s %s %s\n", label, rel, rest)
	return err
}

func (o *folder) close() error {
	if err := o.index.Flush(); err != nil {
		return err
	}
	return o.file.Close()
}
