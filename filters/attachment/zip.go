package attachment

import (
	"bytes"
	"compress/bzip2"
	"compress/flate"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"strings"
)

const (
	zipEndSize      = 22
	zipMaxComment   = 65535
	zipCentralSize  = 46
	zipLocalSize    = 30
	zipMaxDirectory = 8 << 20 // octets of the central directory that are read
)

var errZip = errors.New("attachment: malformed zip")

// zip looks into a ZIP file by its central directory (APPNOTE.TXT), which is
// read here: archive/zip would first make a value of each of any number of
// entries.
func (x *Inspector) zip(ctx context.Context, f *file, e *Entry) error {
	dir, base, err := zipDirectory(f.at, f.size)
	if err != nil {
		return err
	}
	var failed error
	for len(dir) >= zipCentralSize && string(dir[:4]) == "PK\x01\x02" {
		n := int(le16(dir[28:]))
		next := zipCentralSize + n + int(le16(dir[30:])) + int(le16(dir[32:]))
		if next > len(dir) {
			return errZip
		}
		m := zipMember(f, dir, string(dir[zipCentralSize:zipCentralSize+n]), base)
		x.ooxml(e, m.name)
		if !strings.HasSuffix(m.name, "/") {
			if err := x.enter(ctx, f, e, m); errors.Is(err, errLimit) || ctx.Err() != nil {
				return err
			} else if err != nil {
				failed = err
			}
		}
		dir = dir[next:]
	}
	if f.n == 0 && len(dir) > 0 && !bytes.HasPrefix(dir, []byte("PK\x05\x06")) && !bytes.HasPrefix(dir, []byte("PK\x06\x06")) {
		return errZip
	}
	return failed
}

// zipDirectory finds the central directory and what offsets count from.
func zipDirectory(r io.ReaderAt, size int64) (dir []byte, base int64, err error) {
	tail := make([]byte, min(size, zipEndSize+zipMaxComment))
	if _, err := r.ReadAt(tail, size-int64(len(tail))); err != nil && err != io.EOF {
		return nil, 0, err
	}
	i := bytes.LastIndex(tail, []byte("PK\x05\x06"))
	if i < 0 || len(tail)-i < zipEndSize {
		return nil, 0, errZip
	}
	end := size - int64(len(tail)) + int64(i)
	length, offset := int64(le32(tail[i+12:])), int64(le32(tail[i+16:]))
	if length > end {
		return nil, 0, errZip
	}
	// As with self-extracting files: what is before the archive shifts it.
	base = end - length - offset
	dir = make([]byte, min(length+zipEndSize, size-(end-length), zipMaxDirectory))
	if _, err := r.ReadAt(dir, end-length); err != nil && err != io.EOF {
		return nil, 0, err
	}
	return dir, base, nil
}

// zipMember makes a member of an entry of the central directory.
func zipMember(f *file, dir []byte, name string, base int64) member {
	flags, method := le16(dir[8:]), le16(dir[10:])
	packed, size, offset := int64(le32(dir[20:])), int64(le32(dir[24:])), int64(le32(dir[42:]))
	return member{
		name: strings.ReplaceAll(name, `\`, "/"), size: size, packed: packed, encrypted: flags&1 != 0,
		open: func() (io.Reader, error) { return zipOpen(f, base+offset, packed, method) },
	}
}

// zipOpen opens the data behind a local header.
func zipOpen(f *file, off, packed int64, method uint16) (io.Reader, error) {
	var local [zipLocalSize]byte
	if off < 0 || off > f.size {
		return nil, errZip
	}
	if _, err := f.at.ReadAt(local[:], off); err != nil || string(local[:4]) != "PK\x03\x04" {
		return nil, errZip
	}
	off += zipLocalSize + int64(le16(local[26:])) + int64(le16(local[28:]))
	r := io.NewSectionReader(f.at, off, packed)
	switch method {
	case 0:
		return r, nil
	case 8:
		return flate.NewReader(r), nil
	case 12:
		return bzip2.NewReader(r), nil
	}
	return nil, errZip
}

// ooxml finds macros by the names of the members of an office document.
func (x *Inspector) ooxml(e *Entry, name string) {
	name = strings.ToLower(name)
	switch {
	case strings.HasSuffix(name, "vbaproject.bin"), strings.Contains(name, "xl/macrosheets/"),
		strings.HasPrefix(name, "basic/") && strings.HasSuffix(name, ".xml") && !strings.HasSuffix(name, "script-lc.xml"):
		e.Macro = true
		e.add(kindMacro)
	}
}

func le16(b []byte) uint16 { return binary.LittleEndian.Uint16(b) }
func le32(b []byte) uint32 { return binary.LittleEndian.Uint32(b) }
