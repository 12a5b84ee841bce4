package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/gapura-mail/gapura/filters/spam"
	"github.com/gapura-mail/gapura/filters/spam/model"
)

// spamModel is a base model and what was learned above it.
type spamModel struct {
	base   *model.Model
	layers []*model.Layer
}

// learnedMagic begins a file of spam learn --model: a base model and a layer
// above it, one behind the other.
const learnedMagic = "gapura spam model with a layer, 1\n"

// openSpamModel opens the model of --model: shipped, empty or a file.
func openSpamModel(name string) (spamModel, error) {
	var m spamModel
	var err error
	switch name {
	case "empty":
		m.base = model.Empty()
	case "shipped":
		m.base, err = spam.Shipped()
	default:
		m, err = readSpamModel(name)
	}
	return m, err
}

// readSpamModel reads a file of spam train, or of spam learn --model.
func readSpamModel(name string) (m spamModel, err error) {
	f, err := os.Open(name)
	if err != nil {
		return m, err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<20)
	head, _ := r.Peek(len(learnedMagic))
	with := bytes.Equal(head, []byte(learnedMagic))
	if with {
		_, _ = r.Discard(len(learnedMagic))
	}
	if m.base, err = model.Read(r); err != nil {
		return m, fmt.Errorf("%s: %w", name, err)
	}
	if with {
		l, err := model.ReadLayer(r)
		if err != nil {
			return m, fmt.Errorf("%s: %w", name, err)
		}
		m.layers = []*model.Layer{l}
	}
	if err := model.End(r); err != nil {
		return m, fmt.Errorf("%s: %w", name, err)
	}
	return m, nil
}

// write writes the model to a file, which has all of it or is as it was.
func (m *spamModel) write(name string) error {
	f, err := os.Create(name + ".new")
	if err != nil {
		return err
	}
	if err := errors.Join(m.writeTo(f), f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// canWrite tells at once whether a model can be written to a file of this
// name, since making it takes minutes.
func canWrite(name string) error {
	if isDir(name) {
		return fmt.Errorf("%s is a folder; name a file in it", name)
	}
	f, err := os.Create(name + ".new")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

func (m *spamModel) writeTo(f io.Writer) error {
	w := bufio.NewWriterSize(f, 1<<20)
	if len(m.layers) > 0 {
		_, _ = w.WriteString(learnedMagic)
	}
	if _, err := m.base.WriteTo(w); err != nil {
		return err
	}
	for _, l := range m.layers {
		if _, err := l.WriteTo(w); err != nil {
			return err
		}
	}
	return w.Flush()
}

// score scores a message.
func (m *spamModel) score(v *model.Vector) model.Score { return m.base.Score(v, m.layers...) }

// learn learns a message, above the base.
func (m *spamModel) learn(v *model.Vector, spam bool) {
	if len(m.layers) == 0 {
		m.layers = []*model.Layer{model.NewLayer()}
	}
	m.layers[0].Learn(m.base, nil, v, spam, 1)
}

// readOrEmpty reads a model from a file that there may be.
func readOrEmpty(name string) (spamModel, error) {
	m, err := openSpamModel(name)
	if errors.Is(err, fs.ErrNotExist) {
		return openSpamModel("empty")
	}
	return m, err
}
