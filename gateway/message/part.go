package message

import "io"

// ReadingName names one of the ways in which real clients read an ambiguous
// message; docs/mime.md describes them.
type ReadingName string

// The readings.
const (
	Plain  ReadingName = ""       // what most clients do
	Last   ReadingName = "last"   // the last of several fields or parameters of one name counts
	Loose  ReadingName = "loose"  // repairs what it can, and takes more for a boundary
	Strict ReadingName = "strict" // by the letter: nothing is repaired, no RFC 2231, the first flaw ends a header or an encoding
)

// PartInfo describes a part while it is walked over.
type PartInfo struct {
	// Path is the position as in IMAP (RFC 3501 section 6.4.5), "1" or
	// "2.1"; of a multipart that has no number there, 0 ends it.
	Path    string
	Reading ReadingName
	// Type is the media type, lower case, and text/plain where the message
	// says none or nonsense.
	Type        string
	Params      map[string]string // of Content-Type, names in lower case, RFC 2231 decoded; may be nil
	Disposition string            // lower case, "" : none
	Filename    string            // decoded (RFC 2231, RFC 2047) UTF-8, otherwise as it came
	Encoding    string            // transfer encoding as written, lower case
	Header      *Header           // of the part; the message's for a single part
	Container   bool              // multipart or message: its parts follow

	// Known at PartEnd of a leaf.
	Size  int64 // octets decoded
	Known bool  // in a reading but the plain one: equal to a part seen before
	sum   uint64
}

// Visitor is told what a walk finds, in order of appearance.
type Visitor interface {
	// Part begins a part. The decoded octets of a leaf are written to the
	// result; nil means that they are not wanted. A container's result is
	// not used. An error of a Write ends the walk.
	Part(p *PartInfo) io.Writer
	// PartEnd ends a part, a container after its parts.
	PartEnd(p *PartInfo)
	// Defect tells what is wrong; at most MaxDefects in a walk, the first of
	// each kind among them.
	Defect(d Defect)
}

// AroundVisitor is a Visitor that wants what a multipart says before its first
// part and after its closing delimiter, too, which nobody is shown (RFC 2046
// section 5.1.1). It is asked in the plain reading.
type AroundVisitor interface {
	Visitor
	// Around is asked between Part and PartEnd of the multipart, and returns
	// where the text before the first part, or after the last one, is
	// written; nil: it is not wanted.
	Around(p *PartInfo, after bool) io.Writer
}

// Bounds of a walk while WalkLimits does not say otherwise.
const (
	DefaultDepth           = 20       // multiparts and messages within each other
	DefaultParts           = 1000     // parts and containers of a message
	DefaultPartHeaderBytes = 64 << 10 // header block of a part
	MaxDefects             = 100      // that a walk tells
)

// WalkLimits bounds a walk; zero means the Default of that name. What is
// beyond a bound is a defect: too deep a container is a leaf, parts beyond
// the number and the rest of a header block are not seen.
type WalkLimits struct {
	Depth       int
	Parts       int
	HeaderBytes int
	Buffer      int // octets read at a time, at least 8 KiB
	// NoSizes, of WalkStructure: leaves that nobody wants are not decoded, and
	// their Decoded is 0.
	NoSizes bool
}

func (l WalkLimits) withDefaults() WalkLimits {
	if l.Depth <= 0 {
		l.Depth = DefaultDepth
	}
	if l.Parts <= 0 {
		l.Parts = DefaultParts
	}
	if l.HeaderBytes <= 0 {
		l.HeaderBytes = DefaultPartHeaderBytes
	}
	if l.Buffer <= 0 {
		l.Buffer = defaultWalkBuffer
	}
	l.Buffer = max(l.Buffer, minWalkBuffer)
	return l
}
