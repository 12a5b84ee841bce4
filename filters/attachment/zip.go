package attachment

import (
	"bytes"
	"cmp"
	"compress/bzip2"
	"compress/flate"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strings"
)

const (
	zipEndSize      = 22
	zipMaxComment   = 65535
	zipCentralSize  = 46
	zipLocalSize    = 30
	zipBzip2        = 12      // method
	zipMaxDirectory = 8 << 20 // octets of the central directory that are read
)

const (
	zipMaxGap   = 64 // octets between members that nobody tells of: data descriptors, padding
	zipMaxFront = 4  // archives before the last one in a file that are looked at
)

var errZip = errors.New("attachment: malformed zip")

// zip looks into a ZIP file. Where archives lie behind each other programs
// show the first or the last, so it looks into each, and tells where there is
// more than their directories say.
func (x *Inspector) zip(ctx context.Context, f *file, e *Entry) error {
	size := f.size
	for i := 0; ; i++ {
		low, gap, err := x.zipBefore(ctx, f, e, size)
		if err != nil {
			return err
		}
		e.Ambiguous = e.Ambiguous || gap || low > 0
		if low == 0 || i == zipMaxFront {
			return nil
		}
		if _, _, err := zipDirectory(f.at, low); err != nil {
			return nil
		}
		size = low
	}
}

// zipBefore looks into the ZIP file that ends at size by its central directory
// (APPNOTE.TXT), which is read here: archive/zip would first make a value of
// each of any number of entries. The archive begins at low; gap tells of data
// in it that the directory does not.
func (x *Inspector) zipBefore(ctx context.Context, f *file, e *Entry, size int64) (low int64, gap bool, err error) {
	dir, base, end, err := zipDirectoryAt(f.at, size)
	if err != nil {
		return 0, false, err
	}
	var failed error
	var spans [][2]int64
	n := f.n
	for len(dir) >= zipCentralSize && string(dir[:4]) == "PK\x01\x02" {
		n := int(le16(dir[28:]))
		next := zipCentralSize + n + int(le16(dir[30:])) + int(le16(dir[32:]))
		if next > len(dir) {
			return 0, false, errZip
		}
		m := zipMember(f, dir, string(dir[zipCentralSize:zipCentralSize+n]), base)
		x.ooxml(e, m.name)
		spans = append(spans, zipSpan(f, dir, base))
		if !strings.HasSuffix(m.name, "/") {
			if err := x.enter(ctx, f, e, m); errors.Is(err, errLimit) || ctx.Err() != nil {
				return 0, false, err
			} else if err != nil {
				failed = err
			}
		}
		dir = dir[next:]
	}
	if f.n == n && len(dir) > 0 && !bytes.HasPrefix(dir, []byte("PK\x05\x06")) && !bytes.HasPrefix(dir, []byte("PK\x06\x06")) {
		return 0, false, errZip
	}
	low, gap = uncovered(spans, end)
	return low, gap, failed
}

// zipSpan returns where a member of the central directory lies.
func zipSpan(f *file, dir []byte, base int64) [2]int64 {
	off := base + int64(le32(dir[42:]))
	var local [zipLocalSize]byte
	if off < 0 || off > f.size {
		return [2]int64{0, 0}
	}
	_, _ = f.at.ReadAt(local[:], off) // what is no local header cannot be opened, and is told there
	return [2]int64{off, off + zipLocalSize + int64(le16(local[26:])) + int64(le16(local[28:])) + int64(le32(dir[20:]))}
}

// uncovered tells where the first member begins, and whether there is more
// between the members, or between them and the directory at end, than
// belongs there.
func uncovered(spans [][2]int64, end int64) (low int64, gap bool) {
	spans = append(spans, [2]int64{end, end})
	slices.SortFunc(spans, func(a, b [2]int64) int { return cmp.Compare(a[0], b[0]) })
	low = spans[0][0]
	at := low
	for _, s := range spans {
		gap = gap || s[0] > at+zipMaxGap
		at = max(at, s[1])
	}
	return low, gap
}

// zipDirectory finds the central directory and what offsets count from.
func zipDirectory(r io.ReaderAt, size int64) (dir []byte, base int64, err error) {
	dir, base, _, err = zipDirectoryAt(r, size)
	return dir, base, err
}

// zipDirectoryAt also tells where the directory begins.
func zipDirectoryAt(r io.ReaderAt, size int64) (dir []byte, base, at int64, err error) {
	tail := make([]byte, min(size, zipEndSize+zipMaxComment))
	if _, err := r.ReadAt(tail, size-int64(len(tail))); err != nil && err != io.EOF {
		return nil, 0, 0, err
	}
	i := bytes.LastIndex(tail, []byte("PK\x05\x06"))
	if i < 0 || len(tail)-i < zipEndSize {
		return nil, 0, 0, errZip
	}
	end := size - int64(len(tail)) + int64(i)
	length, offset := int64(le32(tail[i+12:])), int64(le32(tail[i+16:]))
	if length > end {
		return nil, 0, 0, errZip
	}
	// As with self-extracting files: what is before the archive shifts it.
	base = end - length - offset
	dir = make([]byte, min(length+zipEndSize, size-(end-length), zipMaxDirectory))
	if _, err := r.ReadAt(dir, end-length); err != nil && err != io.EOF {
		return nil, 0, 0, err
	}
	return dir, base, end - length, nil
}

// zipMember makes a member of an entry of the central directory.
func zipMember(f *file, dir []byte, name string, base int64) member {
	flags, method := le16(dir[8:]), le16(dir[10:])
	packed, size, offset := int64(le32(dir[20:])), int64(le32(dir[24:])), int64(le32(dir[42:]))
	m := member{
		name: strings.ReplaceAll(name, `\`, "/"), size: size, packed: packed, encrypted: flags&1 != 0,
		open: func() (io.Reader, error) { return zipOpen(f, base+offset, packed, method) },
	}
	if method == zipBzip2 {
		m.slow = slowBzip2
	}
	return m
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
	case zipBzip2:
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
