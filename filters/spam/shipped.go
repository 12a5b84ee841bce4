package spam

import (
	"bufio"
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/gapura-mail/gapura/filters/spam/model"
)

//go:embed shipped
var shipped embed.FS

// Shipped returns the model that is built in; where none is, an empty one.
// Each call reads it anew.
func Shipped() (*model.Model, error) {
	b, err := shipped.ReadFile("shipped/shipped.model")
	if errors.Is(err, fs.ErrNotExist) {
		return model.Empty(), nil
	}
	if err != nil {
		return nil, err
	}
	return model.Read(bytes.NewReader(b))
}

// ReadModel reads the base model in a file.
func ReadModel(name string) (*model.Model, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<20)
	m, err := model.Read(r)
	if err == nil {
		err = model.End(r)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return m, nil
}
