package attachment

import (
	"bytes"

	"github.com/gabriel-vasile/mimetype"
)

// headSize is how much of a file its type is told by; an ISO image has its
// mark after 32 KiB.
const headSize = 34 << 10

// format is what content is, by its first octets; "" : nothing that matters
// here.
type format string

const (
	fmtZip      format = "zip"
	fmtRar      format = "rar"
	fmt7z       format = "7z"
	fmtGzip     format = "gzip"
	fmtBzip2    format = "bzip2"
	fmtTar      format = "tar"
	fmtOLE      format = "ole"
	fmtUnopened format = "archive" // xz, cab, ace, ...: told, not opened
	fmtExec     format = "executable"
	fmtShortcut format = "shortcut"
	fmtDisk     format = "disk-image"
	fmtScript   format = "script"
	fmtPDF      format = "pdf"
	fmtRTF      format = "rtf"
	fmtImage    format = "image"
	fmtHTML     format = "html"
)

// magics are marks by their place, the longer before the shorter.
var magics = []struct {
	off  int
	mark string
	f    format
}{
	{0, "PK\x03\x04", fmtZip},
	{0, "PK\x05\x06", fmtZip},
	{0, "PK00PK\x03\x04", fmtZip},
	{0, "Rar!\x1a\x07", fmtRar},
	{0, "7z\xbc\xaf\x27\x1c", fmt7z},
	{0, "\x1f\x8b\x08", fmtGzip},
	{0, "BZh", fmtBzip2},
	{0, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", fmtOLE},
	{0, "\xfd7zXZ\x00", fmtUnopened},
	{0, "MSCF", fmtUnopened},
	{0, "\x28\xb5\x2f\xfd", fmtUnopened},
	{0, "LZIP", fmtUnopened},
	{0, "\x60\xea", fmtUnopened},
	{0, "ISc(", fmtUnopened},
	{0, "xar!", fmtUnopened},
	{0, "\x1f\x9d", fmtUnopened},
	{0, "EGGA", fmtUnopened},
	{0, "ALZ\x01", fmtUnopened},
	{0, "MZ", fmtExec},
	{0, "\x7fELF", fmtExec},
	{0, "\xca\xfe\xba\xbe", fmtExec},
	{0, "dex\n", fmtExec},
	{0, "\xfe\xed\xfa\xce", fmtExec},
	{0, "\xfe\xed\xfa\xcf", fmtExec},
	{0, "\xce\xfa\xed\xfe", fmtExec},
	{0, "\xcf\xfa\xed\xfe", fmtExec},
	{0, "L\x00\x00\x00\x01\x14\x02\x00", fmtShortcut},
	{0, "[InternetShortcut]", fmtShortcut},
	{0, "[Desktop Entry]", fmtShortcut},
	{0, "ITSF", fmtScript},
	{0, "\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d", fmtScript},
	{0, "#@~^", fmtScript},
	{0, "vhdxfile", fmtDisk},
	{0, "conectix", fmtDisk},
	{0, "MSWIM\x00\x00\x00", fmtDisk},
	{0, "KDMV", fmtDisk},
	{0, "%PDF-", fmtPDF},
	{0, "{\\rt", fmtRTF},
	{0, "\xff\xd8\xff", fmtImage},
	{0, "\x89PNG\r\n", fmtImage},
	{0, "GIF8", fmtImage},
	{0, "II*\x00", fmtImage},
	{0, "MM\x00*", fmtImage},
	{257, "ustar", fmtTar},
	{32769, "CD001", fmtDisk},
	{32769, "NSR0", fmtDisk},
	{7, "**ACE**", fmtUnopened},
	{2, "-lh", fmtUnopened},
}

// tags are how text begins that browsers show or Windows runs.
var tags = []struct {
	tag string
	f   format
}{
	{"<html", fmtHTML},
	{"<!doctype html", fmtHTML},
	{"<script", fmtHTML},
	{"<head", fmtHTML},
	{"<body", fmtHTML},
	{"<svg", fmtHTML},
	{"<meta", fmtHTML},
	{"<iframe", fmtHTML},
	{"<hta:", fmtScript},
	{"<job", fmtScript},
	{"<package", fmtScript},
}

// textStart is how far readers look for the mark of a PDF file, and how far
// white space may go before a tag.
const textStart = 1024

// formatOf looks at the beginning of a file.
func formatOf(head []byte) format {
	for _, m := range magics {
		if at(head, m.off, m.mark) {
			return m.f
		}
	}
	start := head[:min(len(head), textStart)]
	if bytes.Contains(start, []byte("%PDF-")) {
		return fmtPDF
	}
	start = bytes.TrimLeft(bytes.TrimPrefix(start, []byte("\xef\xbb\xbf")), " \t\r\n\x00")
	start = bytes.ToLower(start[:min(len(start), 16)])
	for _, t := range tags {
		if at(start, 0, t.tag) {
			return t.f
		}
	}
	return ""
}

func at(head []byte, off int, mark string) bool {
	return len(head) >= off+len(mark) && string(head[off:off+len(mark)]) == mark
}

// kinds are what formats make of files.
var kinds = map[format]string{
	fmtZip: kindArchive, fmtRar: kindArchive, fmt7z: kindArchive, fmtGzip: kindArchive,
	fmtBzip2: kindArchive, fmtTar: kindArchive, fmtUnopened: kindArchive,
	fmtExec: kindExecutable, fmtShortcut: kindShortcut, fmtScript: kindScript, fmtDisk: kindDiskImage,
	fmtOLE: kindDocument, fmtPDF: kindDocument, fmtRTF: kindDocument,
	fmtImage: kindImage, fmtHTML: kindHTML,
}

func (f format) kind() string { return kinds[f] }

// mismatch tells whether a name with the ending claims what the content is
// not.
func mismatch(ext string, f format) bool {
	named, found := byExtension[ext], f.kind()
	if named == "" || found == "" || named == found {
		// A picture is a picture; but documents are told apart.
		return ext == "pdf" && found == kindDocument && f != fmtPDF
	}
	switch {
	case named == kindDocument:
		switch f {
		case fmtZip: // OOXML, ODF
			return ext == "pdf" || ext == "txt" || ext == "csv" || ext == "rtf"
		case fmtHTML: // what many programs export as .xls and .doc
			return ext != "xls" && ext != "doc"
		}
		return ext != "txt" && ext != "csv" || runs(found) && f != fmtScript
	case named == kindImage:
		return true
	case named == kindArchive:
		return runs(found) && f != fmtScript
	case named == kindHTML:
		return runs(found) || found == kindArchive && ext != "svgz"
	}
	return false // what runs by its name is told already
}

// mediaType returns the media type by content.
func mediaType(head []byte) string { return mimetype.Detect(head[:min(len(head), 3072)]).String() }
