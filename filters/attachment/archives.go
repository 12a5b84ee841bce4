package attachment

import (
	"archive/tar"
	"compress/bzip2"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"path"
	"strings"

	"github.com/bodgit/sevenzip"
	"github.com/nwaples/rardecode/v2"
)

const maxDictionary = 64 << 20 // octets of a dictionary that an archive may ask for

// stream looks into a file that is compressed by itself.
func (x *Inspector) stream(ctx context.Context, f *file, e *Entry, form format) error {
	name := path.Base(f.name)
	ext := ending(name)
	switch ext {
	case "tgz", "tbz", "tbz2", "taz":
		name += ".tar"
	case "gz", "bz2", "z":
		name = name[:strings.LastIndexByte(name, '.')]
	}
	m := member{name: name, size: -1, packed: f.size}
	if form == fmtBzip2 {
		m.slow = slowBzip2
	}
	m.open = func() (io.Reader, error) {
		r := io.NewSectionReader(f.at, 0, f.size)
		if form == fmtBzip2 {
			return bzip2.NewReader(r), nil
		}
		return gzip.NewReader(r)
	}
	return x.enter(ctx, f, e, m)
}

// tar looks into a tar file.
func (x *Inspector) tar(ctx context.Context, f *file, r io.Reader) error {
	t := tar.NewReader(r)
	var e Entry
	for {
		h, err := t.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg {
			if x.entries++; x.entries > x.Limits.Entries {
				x.Limited = true
				return errLimit
			}
			continue
		}
		m := member{name: h.Name, size: h.Size, packed: -1, open: func() (io.Reader, error) { return t, nil }}
		if err := x.enter(ctx, f, &e, m); err != nil {
			return err
		}
	}
}

// rar looks into a RAR file.
func (x *Inspector) rar(ctx context.Context, f *file, e *Entry) error {
	release, err := x.heavy(ctx)
	if err != nil {
		return err
	}
	defer release()
	r, err := rardecode.NewReader(io.NewSectionReader(f.at, 0, f.size), rardecode.MaxDictionarySize(maxDictionary))
	if err != nil {
		e.Encrypted = e.Encrypted || encryptedRar(err)
		return err
	}
	for {
		h, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			e.Encrypted = e.Encrypted || encryptedRar(err)
			return err
		}
		if h.IsDir {
			if x.entries++; x.entries > x.Limits.Entries {
				x.Limited = true
				return errLimit
			}
			continue
		}
		m := member{
			drain: true, slow: slowRar,
			name: h.Name, size: h.UnPackedSize, packed: h.PackedSize, encrypted: h.Encrypted || h.HeaderEncrypted,
			open: func() (io.Reader, error) { return r, nil },
		}
		if h.UnKnownSize {
			m.size = -1
		}
		if err := x.enter(ctx, f, e, m); err != nil {
			return err
		}
	}
}

// heavy waits until a format whose unpacking takes much memory may be opened.
func (x *Inspector) heavy(ctx context.Context) (release func(), err error) {
	if x.Heavy == nil {
		return func() {}, nil
	}
	select {
	case x.Heavy <- struct{}{}:
		return func() { <-x.Heavy }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func encryptedRar(err error) bool {
	return errors.Is(err, rardecode.ErrArchiveEncrypted) || errors.Is(err, rardecode.ErrArchivedFileEncrypted) ||
		errors.Is(err, rardecode.ErrBadPassword)
}

// sevenZip looks into a 7z file, after its own header was found to ask for
// nothing that is out of proportion.
func (x *Inspector) sevenZip(ctx context.Context, f *file, e *Entry) error {
	release, err := x.heavy(ctx)
	if err != nil {
		return err
	}
	defer release()
	encrypted, err := check7z(f.at, f.size, x.Limits.Entries)
	if e.Encrypted = e.Encrypted || encrypted; err != nil {
		x.Limited = x.Limited || errors.Is(err, errLimit)
		return err
	}
	z, err := sevenzip.NewReader(f.at, f.size)
	if err != nil {
		return err
	}
	var failed error
	for _, file := range z.File {
		if file.FileInfo().IsDir() {
			continue
		}
		var rc io.ReadCloser
		m := member{name: file.Name, size: int64(min(file.UncompressedSize, 1<<62)), packed: -1, encrypted: encrypted, drain: true, slow: slow7z, open: func() (io.Reader, error) {
			var err error
			rc, err = file.Open()
			return rc, err
		}}
		err := x.enter(ctx, f, e, m)
		if rc != nil {
			rc.Close()
		}
		if errors.Is(err, errLimit) || ctx.Err() != nil {
			return err
		} else if err != nil {
			failed = err
		}
	}
	return failed
}
