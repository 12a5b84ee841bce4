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

// magics are marks at the beginning, the longer before the shorter.
var magics = []struct {
	mark string
	f    format
}{
	{"PK\x03\x04", fmtZip},
	{"PK\x05\x06", fmtZip},
	{"PK00PK\x03\x04", fmtZip},
	{"Rar!\x1a\x07", fmtRar},
	{"7z\xbc\xaf\x27\x1c", fmt7z},
	{"\x1f\x8b\x08", fmtGzip},
	{"BZh", fmtBzip2},
	{"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", fmtOLE},
	{"\xfd7zXZ\x00", fmtUnopened},
	{"MSCF", fmtUnopened},
	{"\x28\xb5\x2f\xfd", fmtUnopened},
	{"LZIP", fmtUnopened},
	{"\x60\xea", fmtUnopened},
	{"ISc(", fmtUnopened},
	{"xar!", fmtUnopened},
	{"\x1f\x9d", fmtUnopened},
	{"EGGA", fmtUnopened},
	{"ALZ\x01", fmtUnopened},
	{"MZ", fmtExec},
	{"\x7fELF", fmtExec},
	{"\xca\xfe\xba\xbe", fmtExec},
	{"dex\n", fmtExec},
	{"\xfe\xed\xfa\xce", fmtExec},
	{"\xfe\xed\xfa\xcf", fmtExec},
	{"\xce\xfa\xed\xfe", fmtExec},
	{"\xcf\xfa\xed\xfe", fmtExec},
	{"L\x00\x00\x00\x01\x14\x02\x00", fmtShortcut},
	{"[InternetShortcut]", fmtShortcut},
	{"[Desktop Entry]", fmtShortcut},
	{"ITSF", fmtScript},
	{"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d", fmtScript},
	{"#@~^", fmtScript},
	{"vhdxfile", fmtDisk},
	{"conectix", fmtDisk},
	{"MSWIM\x00\x00\x00", fmtDisk},
	{"KDMV", fmtDisk},
	{"%PDF-", fmtPDF},
	{"{\\rt", fmtRTF},
	{"\xff\xd8\xff", fmtImage},
	{"\x89PNG\r\n", fmtImage},
	{"GIF8", fmtImage},
	{"II*\x00", fmtImage},
	{"MM\x00*", fmtImage},
}

// formatOf looks at the beginning of a file.
func formatOf(head []byte) format {
	for _, m := range magics {
		if len(head) >= len(m.mark) && string(head[:len(m.mark)]) == m.mark {
			return m.f
		}
	}
	switch {
	case at(head, 257, "ustar"):
		return fmtTar
	case at(head, 32769, "CD001"), at(head, 32769, "NSR0"):
		return fmtDisk
	case at(head, 7, "**ACE**"), at(head, 2, "-lh"):
		return fmtUnopened
	case bytes.Contains(head[:min(len(head), 1024)], []byte("%PDF-")): // readers look further than the first octet
		return fmtPDF
	}
	start := bytes.TrimLeft(bytes.TrimPrefix(head[:min(len(head), 1024)], []byte("\xef\xbb\xbf")), " \t\r\n\x00")
	start = bytes.ToLower(start[:min(len(start), 16)])
	for _, tag := range []string{"<html", "<!doctype html", "<script", "<head", "<body", "<svg", "<hta:", "<job", "<package", "<meta", "<iframe"} {
		if bytes.HasPrefix(start, []byte(tag)) {
			if tag == "<hta:" || tag == "<job" || tag == "<package" {
				return fmtScript
			}
			return fmtHTML
		}
	}
	return ""
}

func at(head []byte, off int, mark string) bool {
	return len(head) >= off+len(mark) && string(head[off:off+len(mark)]) == mark
}

// kind is what a format makes of a file.
func (f format) kind() string {
	switch f {
	case fmtZip, fmtRar, fmt7z, fmtGzip, fmtBzip2, fmtTar, fmtUnopened:
		return kindArchive
	case fmtExec:
		return kindExecutable
	case fmtShortcut:
		return kindShortcut
	case fmtScript:
		return kindScript
	case fmtDisk:
		return kindDiskImage
	case fmtOLE, fmtPDF, fmtRTF:
		return kindDocument
	case fmtImage:
		return kindImage
	case fmtHTML:
		return kindHTML
	}
	return ""
}

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
